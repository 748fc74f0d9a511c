from rawserver import RawServer


class Echo:
    def external_connection_made(self, connection):
        print("hello,", connection.ip)

    def data_came_in(self, connection, data):
        connection.write(data)


raw_server = RawServer()
raw_server.start_listening(raw_server.create_serversocket(7000), Echo())
raw_server.install_sigint_handler()
raw_server.listen_forever()
