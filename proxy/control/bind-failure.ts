import { hostPort } from '#snapshot';

/** What went wrong with a socket and what to do about it; begins with the system's code. */
export function explainBindFailure(error: unknown, { address, port }: { readonly address: string; readonly port: number }): string {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? '') : '';
  const where = hostPort(address, port);
  switch (code) {
    case 'EADDRINUSE':
      return `EADDRINUSE: ${where} is taken by another program; end it, or run with another --port-offset`;
    case 'EADDRNOTAVAIL':
      return address.startsWith('127.')
        ? `EADDRNOTAVAIL: this machine does not have the address ${address}; on macOS run: sudo ifconfig lo0 alias ${address}`
        : `EADDRNOTAVAIL: this machine does not have the address ${address}; name one that it has`;
    case 'EACCES':
      return `EACCES: binding ${where} needs a privilege that this process lacks; run with --port-offset 8000`;
    case 'ERR_SOCKET_BAD_PORT':
      return `ERR_SOCKET_BAD_PORT: ${port} is no port; choose a smaller --port-offset`;
    default:
      return `${where} can't be bound: ${error instanceof Error ? error.message : String(error)}`;
  }
}
