import type { ExecutionContext } from 'ava';
import { explain, type Answer } from '../../../cli/explain/answer.ts';
import { callerOf, placeAtGateway, placeInMesh } from '../../../cli/explain/place.ts';
import { originText } from './tables/decisions.ts';
import { explainAtGateway, explainInMesh, streamOf } from '../../../cli/explain/streams.ts';
import type { RequestExpectation } from './expectation.ts';
import { addressed, headersOf, isStream } from './requests.ts';
import type { Translated } from './translated.ts';

/** Asks `weft explain` about a request of a case: it must say what the data plane does. */
export function checkExplanation(t: ExecutionContext, translated: Translated, request: RequestExpectation): void {
  const { expect, url } = request;
  // `explain` has no option for a TLS server name.
  if (request.sni !== undefined) return;
  const answer = ask(translated, request);
  const told = `weft explain ${url}`;
  if (expect.outcome !== undefined) t.is(answer.outcome, expect.outcome, `${told}: outcome`);
  // Whether a backend has an endpoint, and what it answers, is not for a route to say.
  if (answer.status !== undefined && expect.status !== undefined) t.is(answer.status, expect.status, `${told}: status`);
  if (answer.status !== undefined && expect.statuses !== undefined) t.true(expect.statuses.includes(answer.status), `${told}: status ${answer.status}`);
  if (expect.status === 404 || expect.status === 500 || expect.status === 400) t.is(answer.status, answer.outcome === 'forward' ? undefined : expect.status, `${told}: status`);
  if (expect.grpcStatus !== undefined) t.is(answer.grpcStatus ?? 0, expect.grpcStatus, `${told}: gRPC status`);
  if (expect.location !== undefined) t.is(answer.location, expect.location, `${told}: location`);
  if (expect.listener !== undefined) t.is(answer.listener?.name, expect.listener, `${told}: listener`);
  if (expect.route !== undefined) t.is(answer.route === undefined ? 'none' : `${answer.route.kind}/${answer.route.namespace}/${answer.route.name}`, expect.route, `${told}: route`);
  if (expect.rule !== undefined) t.is(answer.rule?.index, expect.rule, `${told}: rule`);
  if (expect.match !== undefined) t.is(answer.match?.index, expect.match, `${told}: match`);
  if (expect.backends !== undefined) {
    const backends = answer.backends.map(({ namespace, name, port, weight, valid }) => [`${namespace}/${name}:${port}`, valid ? weight : `invalid ${weight}`] as const);
    t.deepEqual(Object.fromEntries(backends), { ...expect.backends }, `${told}: backends`);
  }
  if (expect.retry !== undefined) t.deepEqual(answer.retry, expect.retry, `${told}: retry`);
  if (expect.timeouts !== undefined) t.deepEqual(answer.timeouts, expect.timeouts, `${told}: timeouts`);
  for (const [leaf, origin] of Object.entries(expect.origins ?? {})) t.is(originText(answer.origins[leaf]), origin, `${told}: origin of ${leaf}`);
}

/** As the command does it, without its reading of options. */
function ask({ state, translation }: Translated, request: RequestExpectation): Answer {
  const to = addressed(request);
  if (isStream(to)) {
    const stream = streamOf(request.url)!;
    return to.client === undefined ? explainAtGateway(translation, to.gateway!, stream) : explainInMesh({ state, translation }, callerOf(state, { from: to.client }).namespace, stream, []);
  }
  const asked = { method: to.method, url: new URL(request.url.replace(/^grpc:/, 'http:')), headers: headersOf(request, to) };
  const place = to.client === undefined ? placeAtGateway(translation, to.gateway!, asked) : placeInMesh({ state, translation }, callerOf(state, { from: to.client }).namespace, asked, []);
  return explain(translation, place, asked);
}
