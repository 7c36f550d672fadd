type Done = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;

/** For sockets that are only ever given addresses: asks nobody, and at once. */
export function asAddress(address: string, _options: unknown, done: Done): void {
  done(null, address, address.includes(':') ? 6 : 4);
}
