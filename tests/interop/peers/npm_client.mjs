// npm's bittorrent-tracker as a client: `node npm_client.mjs PATH_OF_ITS_CLIENT_JS URL INFO_HASH PORT`.
// It joins with 16384 bytes to get, scrapes, completes and leaves, each when the one before is
// answered, and prints as JSON what it was told: the answers, the peers, and the warnings.

import { register } from 'node:module'
import { pathToFileURL } from 'node:url'

// It loads WebRTC, a native module, for trackers by WebSocket; those of HTTP and UDP do without.
const withoutWebRtc = `export function resolve (name, context, next) {
  const nothing = { url: 'data:text/javascript,export default class {}', shortCircuit: true }
  return name.startsWith('@thaunknown/simple-peer') ? nothing : next(name, context)
}`
register(`data:text/javascript,${encodeURIComponent(withoutWebRtc)}`)

const [path, announce, infoHash, port] = process.argv.slice(2)
const { default: Client } = await import(pathToFileURL(path))

// By HTTP it writes in hex once more what its decoder has written so, as no UTF-8.
const once = hex => hex.length === 80 ? Buffer.from(hex, 'hex').toString() : hex

const client = new Client({
  infoHash, announce, peerId: Buffer.from('-WW0001-npmnpmnpmnpm'), port: Number(port)
})
const told = { updates: [], peers: [], scrapes: [], warnings: [] }
const steps = [
  () => client.start({ left: 16384 }),
  () => client.scrape(),
  () => client.complete({ left: 0, downloaded: 16384 }),
  () => client.stop({ left: 0, downloaded: 16384 })
]

function next () {
  const step = steps.shift()
  if (step) step()
  else client.destroy(() => { console.log(JSON.stringify(told)) })
}

client.on('update', ({ complete, incomplete, interval }) => {
  told.updates.push({ complete, incomplete, interval })
  // The peers of an answer come after it.
  setImmediate(next)
})
client.on('peer', peer => { told.peers.push(peer) })
client.on('scrape', ({ infoHash, complete, incomplete, downloaded }) => {
  told.scrapes.push({ infoHash: once(infoHash), complete, incomplete, downloaded })
  next()
})
client.on('warning', error => {
  told.warnings.push(error.message)
  client.destroy(() => { console.log(JSON.stringify(told)) })
})
next()
