import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';

/**
 * `node endpoint.ts <address> <port> [http1|http2]`: answers 200 with its address. In HTTP/2 in a field, for Node sends head and body one after
 * the other there, and who is killed in between has begun a response that can't be had again elsewhere.
 */
const [address = '127.0.0.1', port = '0', protocol = 'http1'] = process.argv.slice(2);
const server =
  protocol === 'http2'
    ? createHttp2Server({}, (request, response) => {
        request.resume();
        response.stream.respond({ ':status': 200, 'x-endpoint': address }, { endStream: true });
      })
    : createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
        request.resume();
        response.end(address);
      });
server.listen(Number(port), address, 4096, () => console.log('listening'));
process.on('disconnect', () => process.exit());
