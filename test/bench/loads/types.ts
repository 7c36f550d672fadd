/** What a load generator counted. Every answer was looked at: status, and length or trailers. */
export interface Done {
  readonly requests: number;
  readonly seconds: number;
}
