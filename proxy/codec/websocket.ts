import { createHash } from 'node:crypto';

/** What a server of HTTP/1.1 has to answer to a key (RFC 6455, 4.2.2): it understood that it was asked for a WebSocket. */
export function webSocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
