import type { Http2Limits } from '../limits.ts';

/** What a connection has waited for too long. */
export type Due = 'settings' | 'frame' | 'ping' | 'silent' | 'stalled' | 'idle' | 'notice' | 'lingered' | undefined;

const pingPayload = Buffer.from('weftping', 'latin1');

/**
 * The waits of one connection. There is one timer for all of them: `next` says when to look again, `due` what it has come to. Times that only
 * move later cost nothing until then.
 */
export class Deadlines {
  /** Of our PINGs: theirs are answered, ours recognised. */
  readonly pingPayload = pingPayload;

  /** How long it may be without a stream; 0: for ever. */
  idleMs: number;

  readonly #limits: Http2Limits;
  #settingsDue: number;
  /** Since when the peer is in the middle of a frame; Infinity where it isn't. */
  #incompleteSince: number;
  #units = 0;
  #acknowledged = false;
  #lastHeard: number;
  #pingedAt = Infinity;
  #idleSince: number;
  #stalledSince = Infinity;
  #stalledBytes = 0;
  #noticeDue = Infinity;
  #lingerDue = Infinity;
  #probeDue = Infinity;
  #begun = true;

  constructor(limits: Http2Limits, now: number) {
    this.#limits = limits;
    this.idleMs = limits.idleMs;
    this.#settingsDue = later(now, limits.settingsAckMs);
    // The peer owes its preface.
    this.#incompleteSince = now;
    this.#lastHeard = this.#idleSince = now;
  }

  /** The connection is being dialled: until `begin` its peer owes nothing. How long that may take is for who dials to say. */
  postpone(): void {
    this.#begun = false;
  }

  begin(now: number): void {
    this.#begun = true;
    this.#settingsDue = later(now, this.#limits.settingsAckMs);
    this.#incompleteSince = this.#lastHeard = this.#idleSince = now;
    this.#stalledSince = Infinity;
  }

  /** Bytes have come. `units`: frames so far; where the peer is in the middle of one, its time runs from when it became the next. */
  heard(now: number, units: number, state: 'incomplete' | 'whole'): void {
    this.#lastHeard = now;
    this.#pingedAt = Infinity;
    if (state === 'whole') this.#incompleteSince = Infinity;
    else if (this.#incompleteSince === Infinity || units !== this.#units) this.#incompleteSince = now;
    this.#units = units;
  }

  /** Whether the peer has acknowledged our SETTINGS, and is bound by them. */
  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  settingsAcknowledged(): void {
    this.#acknowledged = true;
    this.#settingsDue = Infinity;
  }

  /** Whether a PING is due out of turn: nothing has come for so long, and none is on its way. Its answer is then waited for. */
  ask(now: number, quietMs: number): boolean {
    if (this.#pingedAt < Infinity || now - this.#lastHeard < quietMs) return false;
    this.#pingedAt = now;
    return true;
  }

  pingAnswered(): void {
    this.#pingedAt = Infinity;
  }

  /**
   * The peer has ended its side. One that is gone looks the same until something is written to it: its network answers that with a reset, which
   * the next write finds. So a PING is due from time to time, though nobody will answer it.
   */
  halfClosed(now: number): void {
    this.#probeDue = later(now, this.#limits.halfClosedPingMs);
  }

  becameIdle(now: number): void {
    this.#idleSince = now;
  }

  /** The peer takes nothing now. */
  stall(now: number, pending: number): void {
    this.#stalledSince = now;
    this.#stalledBytes = pending;
  }

  progressed(): void {
    this.#stalledSince = Infinity;
  }

  /** The end has been announced: `notice` comes due for saying which stream is the last. */
  announce(now: number): void {
    this.#noticeDue = now + this.#limits.drainNoticeMs;
  }

  announced(): void {
    this.#noticeDue = Infinity;
  }

  linger(now: number): void {
    this.#settingsDue = this.#incompleteSince = this.#pingedAt = this.#stalledSince = this.#noticeDue = this.#probeDue = Infinity;
    this.#lingerDue = now + this.#limits.lingerMs;
  }

  /** When the first of the waits may be over. */
  next(streams: number): number {
    if (this.#lingerDue < Infinity) return this.#lingerDue;
    if (!this.#begun) return Infinity;
    const { frameMs, keepAliveMs, keepAliveTimeoutMs, stallMs } = this.#limits;
    let next = Math.min(this.#settingsDue, this.#noticeDue, this.#probeDue, later(this.#incompleteSince, frameMs));
    if (this.#pingedAt < Infinity) next = Math.min(next, this.#pingedAt + keepAliveTimeoutMs);
    else if (keepAliveMs > 0) next = Math.min(next, this.#lastHeard + keepAliveMs);
    if (streams === 0) next = Math.min(next, later(this.#idleSince, this.idleMs));
    return Math.min(next, later(this.#stalledSince, stallMs));
  }

  /** What has come due. `pending`: bytes that the peer does not take; 0 where it does. */
  due(now: number, streams: number, pending: number): Due {
    if (this.#lingerDue < Infinity) return now >= this.#lingerDue ? 'lingered' : undefined;
    if (!this.#begun) return undefined;
    const { frameMs, keepAliveMs, keepAliveTimeoutMs } = this.#limits;
    if (this.#hasStalled(now, pending)) return 'stalled';
    if (now >= this.#settingsDue) return 'settings';
    if (now >= later(this.#incompleteSince, frameMs)) return 'frame';
    if (now >= this.#noticeDue) return 'notice';
    if (now >= this.#pingedAt + keepAliveTimeoutMs) return 'silent';
    if (streams === 0 && now >= later(this.#idleSince, this.idleMs)) return 'idle';
    if (now >= this.#probeDue) {
      this.halfClosed(now);
      return 'ping';
    }
    if (keepAliveMs > 0 && this.#pingedAt === Infinity && now >= this.#lastHeard + keepAliveMs) {
      this.#pingedAt = now;
      return 'ping';
    }
    return undefined;
  }

  /** A slow peer may be slow; one that takes nothing at all may not. */
  #hasStalled(now: number, pending: number): boolean {
    if (pending === 0) {
      this.#stalledSince = Infinity;
      return false;
    }
    if (pending < this.#stalledBytes) {
      this.#stalledSince = now;
      this.#stalledBytes = pending;
      return false;
    }
    return now >= later(this.#stalledSince, this.#limits.stallMs);
  }
}

/** 0 milliseconds: never. */
function later(from: number, ms: number): number {
  return ms > 0 ? from + ms : Infinity;
}
