import { Exchange } from '../../exchange/exchange.ts';
import type { Downstream } from '../sides.ts';
import { Http1Body } from './body.ts';
import { Http1Response } from './response.ts';

/** Kept for later requests, at most. */
const maxFree = 256;

/** What a connection of HTTP/1.1 needs while a request is under way. Connections that wait do without, so they share few. */
export interface Http1Place {
  readonly exchange: Exchange;
  readonly body: Http1Body;
  readonly response: Http1Response;
}

/** A place for the next request of a connection. */
export function takePlace(downstream: Downstream): Http1Place {
  const place = downstream.context.freePlaces.pop();
  if (place === undefined) {
    const exchange = new Exchange(downstream);
    return { exchange, body: new Http1Body(exchange), response: new Http1Response(exchange) };
  }
  place.exchange.move(downstream);
  place.response.pending = place.response.keep = false;
  return place;
}

/** Gives it back, once its exchange has ended in full. One that ended otherwise is not given back: something may still know it. */
export function releasePlace(place: Http1Place): void {
  const { freePlaces } = place.exchange.context;
  if (freePlaces.length < maxFree && !place.exchange.active) freePlaces.push(place);
}
