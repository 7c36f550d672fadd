import type { Command } from 'commander';
import type { CliEnvironment } from './environment.ts';
import { explain, type Answer, type ExplainedRequest } from './explain/answer.ts';
import { callerOf, placeAtGateway, placeInMesh, UsageError, type Place } from './explain/place.ts';
import { explainAtGateway, explainInMesh, streamOf, type ExplainedStream } from './explain/streams.ts';
import { answerText } from './explain/text.ts';
import { load, type Loaded, type Source } from './load.ts';
import { failWith, outputOption, pathOption, sourceOptions } from './options.ts';
import { printable } from './table.ts';

interface ExplainOptions extends Source {
  readonly gateway?: string;
  readonly from?: string;
  readonly fromNamespace?: string;
  readonly request: string;
  readonly header: string[];
  readonly grpc?: string;
  readonly output?: 'json';
}

/** `weft explain`: what would happen to a request, and why. */
export function register(program: Command, environment: CliEnvironment): void {
  const command = program
    .command('explain')
    .description('Say what would happen to a request, and why: route, rule, backends, effective policy with origins')
    .argument('<url>', 'the URL as the client writes it; tls://, tcp:// or udp://HOST:PORT for a connection or datagrams');
  sourceOptions(command, pathOption())
    .option('--gateway <namespace/name>', 'the request comes to this Gateway')
    .option('--from <namespace/workload>', 'the request comes from this Pod, or one of the Pods of this workload')
    .option('--from-namespace <namespace>', 'the request comes from a workload of this namespace')
    .option('-X, --request <method>', 'the method', 'GET')
    .option('-H, --header <name: value>', 'a header; may be repeated', (value: string, all: string[]) => [...all, value], [])
    .option('--grpc <service/method>', 'a gRPC call: POST to /SERVICE/METHOD, with the content type application/grpc')
    .addOption(outputOption())
    .action(async (url: string, options: ExplainOptions) => {
      try {
        const stream = streamOf(url);
        const request = stream === undefined ? requestOf(url, options) : undefined;
        const loaded = await load(options, environment);
        const answer = request === undefined ? explainStream(loaded, options, stream!) : explain(loaded.translation, placeOf(loaded, options, request), request);
        if (options.output === 'json') environment.out(`${JSON.stringify(answer, null, 2)}\n`);
        else environment.out(printable(`${request === undefined ? '' : `${request.method} `}${options.grpc === undefined ? url : request?.url.href}\n${answerText(answer)}`));
      } catch (error) {
        failWith(error, environment);
      }
    });
}

function explainStream({ state, translation }: Loaded, options: ExplainOptions, stream: ExplainedStream): Answer {
  checkOrigin(options);
  if (options.gateway !== undefined) return explainAtGateway(translation, options.gateway, stream);
  const { namespace, notes } = callerOf(state, options);
  return explainInMesh({ state, translation }, namespace, stream, notes);
}

function requestOf(url: string, options: ExplainOptions): ExplainedRequest {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
  if (!URL.canParse(text) || !/^https?:/i.test(text)) throw new UsageError(`"${url}" is no http or https URL`);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(options.request)) throw new UsageError(`"${options.request}" is no HTTP method`);
  const headers = new Map<string, string>();
  for (const header of options.header) {
    const colon = header.indexOf(':');
    const name = header.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new UsageError(`"${header}" is no header; write 'name: value'`);
    const value = header.slice(colon + 1).trim();
    const earlier = headers.get(name);
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return options.grpc === undefined ? { method: options.request, url: new URL(text), headers } : grpcRequest(options.grpc, new URL(text), headers);
}

function grpcRequest(call: string, url: URL, headers: ReadonlyMap<string, string>): ExplainedRequest {
  const [, service, method] = /^\/?([A-Za-z0-9_.]+)\/([A-Za-z0-9_]+)$/.exec(call) ?? [];
  if (service === undefined || method === undefined) throw new UsageError(`"${call}" is no gRPC call; write SERVICE/METHOD, such as shop.Cart/Add`);
  const target = new URL(url);
  target.pathname = `/${service}/${method}`;
  return { method: 'POST', url: target, headers: new Map([['content-type', 'application/grpc'], ...headers]) };
}

function checkOrigin(options: ExplainOptions): void {
  const given = [options.gateway, options.from, options.fromNamespace].filter((option) => option !== undefined);
  if (given.length !== 1) throw new UsageError('say where the request comes from: one of --gateway NAMESPACE/NAME, --from NAMESPACE/WORKLOAD, --from-namespace NAMESPACE');
}

function placeOf({ state, translation }: Loaded, options: ExplainOptions, request: ExplainedRequest): Place {
  checkOrigin(options);
  if (options.gateway !== undefined) return placeAtGateway(translation, options.gateway, request);
  const { namespace, notes } = callerOf(state, options);
  return placeInMesh({ state, translation }, namespace, request, notes);
}
