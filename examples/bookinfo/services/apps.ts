import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Caller, Reply } from './caller.ts';
import type { App } from './main.ts';
import { page } from './page.ts';

/** What a call passes on, so that a trace stays whole and a tester stays one. */
const passedOn = ['x-request-id', 'traceparent', 'tracestate', 'end-user'];

export function productPage(): App {
  return async (request, response, call) => {
    const headers = passOn(request);
    const [details, reviews] = await Promise.all([ask(call, 'http://details:9080/details/0', headers), ask(call, 'http://reviews:9080/reviews/0', headers)]);
    const body = page(details, reviews);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'x-reviews-version': String(reviews.headers['x-version'] ?? 'none') });
    response.end(body);
  };
}

export function details(): App {
  return async (_request, response) => {
    sendJson(response, 200, { title: 'The Comedy of Errors', author: 'William Shakespeare', year: 1595, pages: 200, publisher: 'A publisher' }, {});
  };
}

/** v1 has no stars; v2 and v3 ask ratings for them. */
export function reviews(version: string): App {
  return async (request, response, call) => {
    const entries: object[] = [
      { reviewer: 'First reader', text: 'An extremely entertaining play, and a slapstick one.' },
      { reviewer: 'Second reader', text: 'Absolutely fun. It lacks thematic depth, though.' },
    ];
    const stars = version === 'v1' ? undefined : await ask(call, 'http://ratings:9080/ratings/0', passOn(request));
    const colour = version === 'v2' ? 'black' : 'red';
    const answer = { version, reviews: entries, ...(stars === undefined ? {} : { colour, ratings: stars.status === 200 ? JSON.parse(stars.body) : null }) };
    sendJson(response, 200, answer, { 'x-version': version });
  };
}

/** Fails on purpose, so that there is something to retry: version v1 answers one request in five with 503, and one in fifty late. */
export function ratings(version: string): App {
  let count = 0;
  return async (_request, response) => {
    count++;
    if (version === 'v1' && count % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 400));
    if (version === 'v1' && count % 5 === 0) sendJson(response, 503, { error: 'overloaded, on purpose' }, {});
    else sendJson(response, 200, { stars: [5, 4] }, {});
  };
}

/** A failed call is a reply too: the page says which part is missing and why. */
async function ask(call: Caller, url: string, headers: OutgoingHttpHeaders): Promise<Reply> {
  return call(url, headers).catch((error: unknown) => ({ status: 0, headers: {}, body: String(error) }));
}

function passOn(request: IncomingMessage): OutgoingHttpHeaders {
  return Object.fromEntries(passedOn.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]])));
}

function sendJson(response: ServerResponse, status: number, body: object, headers: OutgoingHttpHeaders): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}
