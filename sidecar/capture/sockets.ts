/** What is to be said about an error, `close` says. */
export function ignore(): void {}
