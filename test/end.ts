import { registerCompletionHandler } from 'ava';

/** Milliseconds that what a test has left open gets to end by itself. */
const patienceMs = 20_000;

/** A failed test may leave servers open, which keep its process from ending, and all tests behind it from running. */
registerCompletionHandler(() => void setTimeout(() => process.exit(1), patienceMs).unref());
