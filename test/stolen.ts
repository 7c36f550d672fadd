import { readFileSync } from 'node:fs';

/** How much time the host has taken from this (virtual) machine so far, of all cores together, in milliseconds (`steal` of /proc/stat, in hundredths of a second); 0 where it does not tell. */
export function stolenMs(): number {
  try {
    return Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0) * 10;
  } catch {
    return 0;
  }
}
