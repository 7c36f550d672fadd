import { readFile } from 'node:fs/promises';
import { connect, type TLSSocket } from 'node:tls';
import { WireChannel, wireVersion, type Hello, type PiecedChannel } from '#snapshot';

export interface ControllerAddress {
  readonly host: string;
  readonly port: number;
  /** A name in the controller's certificate. */
  readonly serverName: string;
  /** PEM of the authorities to trust; read anew for each dial, as is the token, because both are rotated. */
  readonly authorityFile: string;
  /** The Pod's service account token for the stream's audience. */
  readonly tokenFile: string;
  /** Tells the processes of one Pod apart: a-z, 0-9 and -, at most 32. */
  readonly instance?: string;
}

export interface DialEnvironment {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** From the first packet to the welcome. Milliseconds, 5,000 unless set. */
  readonly timeoutMs?: number;
  /** Why a stream ended that was not closed by agreement. */
  ended?(reason: string): void;
}

/** Opens a stream to the controller over TLS. Rejects where it can't be reached, can't be trusted, or refuses. */
export async function dialController(address: ControllerAddress, env: DialEnvironment): Promise<PiecedChannel> {
  const [ca, token] = await Promise.all([readFile(address.authorityFile, 'utf8'), readFile(address.tokenFile, 'utf8')]);
  const { host, port, serverName: servername, instance } = address;
  const socket = connect({ host, port, servername, ca, minVersion: 'TLSv1.3', ALPNProtocols: ['weft-stream'] });
  const hello: Hello = { version: wireVersion, token: token.trim(), ...(instance === undefined ? {} : { instance }) };
  return greet(socket, hello, env);
}

function greet(socket: TLSSocket, hello: Hello, env: DialEnvironment): Promise<PiecedChannel> {
  return new Promise((resolve, reject) => {
    const timeoutMs = env.timeoutMs ?? 5000;
    let reason = 'the controller closed the connection';
    let welcome = false;
    const channel = new WireChannel(socket, {
      now: () => env.now(),
      ended: (why) => {
        reason = why;
        if (welcome) env.ended?.(why);
      },
    });
    const timer = setTimeout(() => fail(`no welcome within ${timeoutMs} ms`), timeoutMs);
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(why));
      channel.close();
      socket.destroy();
    };
    channel.onClose(() => fail(reason));
    socket.once('secureConnect', () => {
      socket.setNoDelay(true);
      channel.sendFrame('hello', JSON.stringify(hello));
    });
    channel.onFrame(({ type, text }) => {
      if (type !== 'welcome') return fail(type === 'refused' ? `the controller refuses: ${text}` : `a frame of type ${type} in place of the welcome`);
      clearTimeout(timer);
      welcome = true;
      channel.onClose(() => {});
      channel.open();
      resolve(channel);
    });
  });
}
