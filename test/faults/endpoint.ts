import { createServer } from 'node:http';

/** `node endpoint.ts <address> <port>`: answers 200 with its address. */
const [address = '127.0.0.1', port = '0'] = process.argv.slice(2);
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  response.end(address);
});
server.listen(Number(port), address, () => console.log('listening'));
process.on('disconnect', () => process.exit());
