import type { RequestHead } from '../codec/index.ts';
import { isRequestId, uuidLength, type IdBytes, type RandomIds } from '../telemetry/index.ts';

const noBytes = Buffer.alloc(0);

/** What one request is told from others by, in logs and traces. */
export class RequestId implements IdBytes {
  /** It was made here, and the head that goes on has to get it. */
  isNew = false;
  /** Where a new one lies. */
  uuids: Buffer = noBytes;
  uuidStart = 0;
  #given = '';

  /** Empty where the request has none. */
  get text(): string {
    return this.isNew ? this.uuids.toString('latin1', this.uuidStart, this.uuidStart + uuidLength) : this.#given;
  }

  clear(): void {
    this.isNew = false;
    this.#given = '';
  }

  /** A valid id of a trusted sender stays, so that one request has one id all through the mesh. */
  take({ fields }: RequestHead, bytes: Buffer, sender: 'trusted' | 'unknown', ids: RandomIds): void {
    if (sender === 'trusted' && fields.requestId >= 0) {
      const id = fields.value(bytes, fields.requestId);
      if (isRequestId(id)) {
        this.#given = id;
        return;
      }
    }
    this.isNew = true;
    this.uuidStart = ids.nextUuid();
    this.uuids = ids.uuids;
  }
}
