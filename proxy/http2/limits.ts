/** Bounds on what one connection may cost, and its waits. Bytes, counts, milliseconds; 0 milliseconds: no limit of time. */
export interface Http2Limits {
  /** Streams that the peer may have open. */
  readonly maxConcurrentStreams: number;
  /** Streams that we open before the server has said how many it takes; what is too many it refuses, to be tried again. */
  readonly streamsBeforeSettings: number;
  /** Streams that we have open, whatever the server allows. */
  readonly maxOpenStreams: number;
  /** Of a decoded header list, counted as in RFC 7541, 4.1: names, values, and 32 for each. Each cookie counts like all others. */
  readonly maxHeaderListBytes: number;
  /** Fields; cookies are one. */
  readonly maxHeaders: number;
  /** Parts of the one: browsers keep up to 180 for a site, and send each as a field of its own. */
  readonly maxCookies: number;
  readonly maxTargetBytes: number;
  /** Of one name. */
  readonly maxNameBytes: number;
  /**
   * Of the heads of requests that are open, all clients of a proxy together. Beyond it each has as much as one head may have, as with HTTP/1.1;
   * further streams are refused, to be tried again.
   */
  readonly maxOpenHeadBytes: number;
  /** Of a header block as it is sent. */
  readonly maxBlockBytes: number;
  /** CONTINUATION frames of one header block. */
  readonly maxContinuations: number;
  /** 1xx responses before the final one. */
  readonly maxInterimResponses: number;
  /** What a peer may send ahead on a stream, and on the connection; at least 65,535, where every connection begins. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** Buffered output other than DATA at which nothing more is read until some of it has left. */
  readonly maxBufferedOutput: number;
  /** The period over which what follows is counted. */
  readonly periodMs: number;
  /** Streams that ended in a reset; over this many and more than half of all that were opened, the connection is ended. */
  readonly maxResets: number;
  /** Frames that carry nothing (PING, PRIORITY, WINDOW_UPDATE, unknown ones), beside ten for each that does. */
  readonly maxIdleFrames: number;
  readonly maxSettingsFrames: number;
  readonly maxEmptyDataFrames: number;
  /** Until the peer acknowledges our SETTINGS. */
  readonly settingsAckMs: number;
  /** For a frame, or a header block, from its first byte to its last. */
  readonly frameMs: number;
  /** Without a byte from the peer, before it is asked for a sign of life, and then for the answer. */
  readonly keepAliveMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Between PINGs to a peer that has ended its side and is owed something: is it still there? */
  readonly halfClosedPingMs: number;
  /** Without a stream. */
  readonly idleMs: number;
  /** For a peer that takes nothing of what is written to it. */
  readonly stallMs: number;
  /** Between announcing the end and ending, for requests that are on their way. */
  readonly drainNoticeMs: number;
  /** How long a connection that was ended is read on, so that the peer gets the last frames. */
  readonly lingerMs: number;
}

export const defaultHttp2Limits: Http2Limits = {
  maxConcurrentStreams: 100,
  streamsBeforeSettings: 100,
  maxOpenStreams: 1000,
  maxHeaderListBytes: 65_536,
  maxHeaders: 128,
  maxCookies: 512,
  maxTargetBytes: 16_384,
  maxNameBytes: 256,
  maxOpenHeadBytes: 33_554_432,
  maxBlockBytes: 65_536,
  maxContinuations: 8,
  maxInterimResponses: 16,
  streamWindow: 262_144,
  connectionWindow: 4_194_304,
  maxBufferedOutput: 262_144,
  periodMs: 10_000,
  maxResets: 200,
  maxIdleFrames: 2000,
  maxSettingsFrames: 100,
  maxEmptyDataFrames: 500,
  settingsAckMs: 10_000,
  frameMs: 10_000,
  keepAliveMs: 0,
  keepAliveTimeoutMs: 20_000,
  halfClosedPingMs: 1000,
  idleMs: 60_000,
  stallMs: 60_000,
  drainNoticeMs: 1000,
  lingerMs: 1000,
};
