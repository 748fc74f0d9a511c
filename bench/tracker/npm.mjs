// npm's bittorrent-tracker: `node npm.mjs PATH_OF_ITS_SERVER_JS PORT`, HTTP and UDP on one port.
// Its own program wants a native module of WebRTC, which a tracker does without.

import { pathToFileURL } from 'node:url'

const [path, port] = process.argv.slice(2)
const { default: Server } = await import(pathToFileURL(path))

const server = new Server({ http: true, udp: true, ws: false, stats: false })
server.on('error', error => { throw error })
server.listen(Number(port), { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' })
