import { errorCode, fault, initialWindow, maxWindow, setting, type FrameFault } from '../frames/index.ts';

const badPush = fault(errorCode.protocol, 'setting-push');
const badWindow = fault(errorCode.flowControl, 'setting-window');
const badFrameSize = fault(errorCode.protocol, 'setting-frame-size');
const badConnect = fault(errorCode.protocol, 'setting-connect');

/** What the peer has told of itself (RFC 9113, 6.5.2). Its frame size does not matter to us: we send no larger frames than everyone takes. */
export class PeerSettings {
  headerTableSize = 4096;
  maxConcurrentStreams = Infinity;
  initialWindow = initialWindow;
  maxHeaderListSize = Infinity;
  /** Of a server: extended CONNECT may be used (RFC 8441, 3). */
  enablesConnect = false;
  readonly #role: 'server' | 'client';

  /** `role`: the peer's. */
  constructor(role: 'server' | 'client') {
    this.#role = role;
  }

  /** Takes a SETTINGS frame's payload. Settings that nobody knows are ignored. */
  apply(bytes: Buffer, start: number, end: number): FrameFault | undefined {
    for (let p = start; p < end; p += 6) {
      const wrong = this.#set(bytes.readUInt16BE(p), bytes.readUInt32BE(p + 2));
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #set(id: number, value: number): FrameFault | undefined {
    switch (id) {
      case setting.headerTableSize:
        this.headerTableSize = value;
        return undefined;
      case setting.enablePush:
        return value > (this.#role === 'server' ? 0 : 1) ? badPush : undefined;
      case setting.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return undefined;
      case setting.initialWindowSize:
        if (value > maxWindow) return badWindow;
        this.initialWindow = value;
        return undefined;
      case setting.maxFrameSize:
        return value < 16_384 || value > 16_777_215 ? badFrameSize : undefined;
      case setting.maxHeaderListSize:
        this.maxHeaderListSize = value;
        return undefined;
      case setting.enableConnectProtocol:
        // Once said, it may not be taken back.
        if (value > 1 || (value === 0 && this.enablesConnect)) return badConnect;
        this.enablesConnect = value === 1;
        return undefined;
      default:
        return undefined;
    }
  }
}
