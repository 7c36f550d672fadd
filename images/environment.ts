/**
 * Of the image of sidecars and gateways, which are many: a small young generation and one arena of the allocator save 4.5 MiB in each, and
 * cost no time that could be measured (docs/footprint.md). One thread beside the main one for the garbage collector, in place of four: where
 * a container has one core, four would take turns with the main thread, which then waits for each of them. The Dockerfile and
 * test/cluster/image say the same.
 */
export const proxyEnvironment = { NODE_ENV: 'production', NODE_OPTIONS: '--max-semi-space-size=1 --v8-pool-size=1', MALLOC_ARENA_MAX: '1' } as const;
