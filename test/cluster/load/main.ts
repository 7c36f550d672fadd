import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Load, type LoadOrder } from './generator.ts';
import { watch, type WatchOrder } from './prober.ts';

/**
 * The load generator as a program, in a Pod or beside the test: `POST /start` takes a LoadOrder, `POST /stop` answers with the report,
 * `GET /report` with what it is so far. `POST /watch` takes a WatchOrder and answers when it has come true. The port is the argument, 8080 unless given; `GET /ready` answers 200.
 */

let load: Load | undefined;

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of incoming as AsyncIterable<Buffer>) body += chunk.toString('utf8');
  switch (incoming.url) {
    case '/start':
      await load?.stop();
      load = new Load(JSON.parse(body) as LoadOrder, () => performance.now());
      break;
    case '/stop': {
      const ended = load;
      load = undefined;
      return void response.end(JSON.stringify((await ended?.stop()) ?? null));
    }
    case '/watch':
      return void response.end(JSON.stringify(await watch(JSON.parse(body) as WatchOrder, Date.now)));
    case '/report':
      return void response.end(JSON.stringify(load?.report() ?? null));
    default:
  }
  response.end('{}');
}

const server = createServer((incoming, response) => {
  answer(incoming, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
});
server.listen(Number(process.argv[2] ?? 8080), () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
process.on('SIGTERM', () => process.exit(0));
// The test that started it has ended.
if (process.argv[3] === 'while-attached') process.stdin.resume().on('end', () => process.exit(0));
