/** Numbers of a proxy process as a whole; `docs/reference/metrics.md` lists them. Counters get `_total`, all get the prefix `weft_`. */

export const processCounters = {
  client_connections_accepted: 'Connections that clients opened; where TLS ends here, those whose handshake succeeded.',
  client_sessions_broken: 'HTTP/2 connections ended because of what their client sent, or left out.',
  client_connections_refused: 'Connections of clients closed at once, for a limit or while draining.',
  upstream_connections_opened: 'Connections to endpoints that came about.',
  upstream_connections_failed: 'Connections to endpoints that failed or were not there in time.',
  upstream_connections_passed_over: 'Requests that went on a new connection because the endpoint may have been about to close the idle ones.',
  client_tls_handshakes: 'TLS handshakes with clients that succeeded.',
  client_tls_handshakes_failed: 'TLS handshakes with clients that failed.',
  upstream_tls_handshakes: 'TLS handshakes with endpoints that succeeded.',
  upstream_tls_handshakes_failed: 'TLS handshakes with endpoints that failed; one that the endpoint refuses behind its end, as TLS 1.3 has it, was counted among those that succeeded.',
  requests_rejected: 'Requests refused before a route was looked for: malformed, too large, too slow, taken back at once, or without room for their heads.',
  upgrades: 'Exchanges that became a tunnel (WebSocket).',
  tcp_connections: 'Captured connections whose bytes pass as they are.',
  tcp_connections_failed: 'Captured connections closed because their destination could not be reached.',
  tcp_bytes_in: 'Bytes from whoever opened such a connection.',
  tcp_bytes_out: 'Bytes to whoever opened such a connection.',
  client_hellos_refused: 'Connections closed because their first bytes are no valid TLS ClientHello, or took too long.',
  udp_datagrams_dropped: 'Datagrams dropped: no route, no endpoint, or over a limit.',
  udp_newcomers_refused: 'Datagrams dropped because too many UDP clients without a flow came at once.',
  udp_flows_evicted: 'UDP flows ended before their time because a new one needed their place.',
  captures_refused: 'Connections closed because nobody redirected them here: their destination is the proxy itself, or unknown.',
  worker_restarts: 'Worker processes of a gateway that ended before their time and were started again.',
  config_updates: 'Updates of the control plane that were taken over as a whole.',
  config_refused: 'Resources of the control plane that were refused: what was in force before still is.',
  access_log_lines: 'Lines of the access log written.',
  access_log_lines_dropped: 'Lines of the access log lost because they could not be written.',
  spans_exported: 'Spans that reached the collector.',
  spans_lost: 'Spans that did not reach the collector.',
  internal_errors: 'Faults of the proxy itself that were caught.',
} as const;

export const processGauges = {
  client_connections_active: 'Connections of clients that are open, likewise.',
  upstream_connections_active: 'Connections to endpoints that are open.',
  upstream_connections_idle: 'Connections to endpoints that wait for a request.',
  upstream_endpoints_aside: 'Endpoints that get trials alone, because attempts there fail without an answer.',
  tcp_connections_active: 'Captured connections whose bytes pass as they are, that are open.',
  open_files: 'Descriptors open in this process, sockets above all, when the page was made. At the limit new connections are closed at once, and none to endpoints come about (`EMFILE`).',
  open_files_limit: 'How many it may have; 0, as for the open ones, where the system does not say.',
  control_plane_connected: '1 while the stream to the control plane is open.',
  last_config_timestamp_seconds: 'When the last update was taken over, in seconds since 1970.',
  raw_socket_io: '1 where sockets are read and written by their handles (`WEFT_SOCKET_IO=raw`), 0 where by the public interface of Node.',
  draining: '1 while the process ends.',
} as const;

export type CounterName = keyof typeof processCounters;
export type GaugeName = keyof typeof processGauges;

export const counterNames = Object.keys(processCounters) as readonly CounterName[];
export const gaugeNames = Object.keys(processGauges) as readonly GaugeName[];
