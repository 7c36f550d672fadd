import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';

/** `node endpoint.ts <address> <port> [http1|http2]`: answers 200 with its address. */
const [address = '127.0.0.1', port = '0', protocol = 'http1'] = process.argv.slice(2);
const server =
  protocol === 'http2'
    ? createHttp2Server({}, (request, response) => {
        request.resume();
        response.end(address);
      })
    : createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
        request.resume();
        response.end(address);
      });
server.listen(Number(port), address, 4096, () => console.log('listening'));
process.on('disconnect', () => process.exit());
