import { createHmac } from 'node:crypto';
import type { ClientValidation } from '#snapshot';

/** Of one server that ends TLS: who has to show what to it. */
export interface TicketPurpose {
  /** Of the listener. */
  readonly name: string;
  readonly protocols: readonly string[];
  readonly validation: ClientValidation | undefined;
}

/** How long keys of session tickets are used: what a stolen key opens, or a client can put off by resuming again and again. Milliseconds. */
export const ticketKeysMs = 12 * 3_600_000;

/**
 * Name and keys of session tickets, as Node has them (48 bytes), derived from a secret that the processes of one gateway share. A session is
 * worth nothing at another listener, nor where clients are validated in another way.
 */
export function ticketKeys(secret: Uint8Array, { name, protocols, validation }: TicketPurpose): Buffer {
  const purpose = ['session tickets', name, protocols, validation?.mode ?? '', validation?.authorities ?? ''];
  return createHmac('sha512', secret).update(JSON.stringify(purpose)).digest().subarray(0, 48);
}
