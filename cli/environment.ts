/** What a command may use of the process it runs in. Made in main.ts alone, so that commands can be tested without a process. */
export interface CliEnvironment {
  /** Writes to standard output, as it is (add the line end). */
  out(text: string): void;
  /** Writes to standard error, as it is. */
  err(text: string): void;
  /** Milliseconds since 1970. */
  now(): number;
  /** 0 ≤ x < 1. */
  random(): number;
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Sets the exit status; the process ends when nothing is left to do. */
  exitStatus(status: number): void;
  /** Ends the process at once. */
  exit(status: number): void;
  /** Calls the listener at each SIGINT, SIGTERM and SIGHUP. */
  onSignal(listener: (signal: string) => void): void;
}
