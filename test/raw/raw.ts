/** Imported first: the tests that follow run with raw socket I/O (test/component/socket-io.ts). */
process.env['WEFT_SOCKET_IO'] = 'raw';
