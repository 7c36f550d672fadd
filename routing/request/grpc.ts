/** Whether a request is gRPC, by its content type (gRPC over HTTP/2: `application/grpc`, with `+proto` and the like, or parameters, behind it). */
export function isGrpc(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/grpc(?:$|[+; \t])/i.test(contentType);
}

/** What a gRPC request calls. */
export interface GrpcCall {
  readonly service: string;
  readonly method: string;
}

/** From `/{service}/{method}`; undefined for any other path. */
export function callOf(path: string): GrpcCall | undefined {
  const slash = path.indexOf('/', 1);
  if (slash <= 1 || slash === path.length - 1 || path.includes('/', slash + 1)) return undefined;
  return { service: path.slice(1, slash), method: path.slice(slash + 1) };
}
