import { Type } from 'typebox';
import { duration, integer, setOf } from '../schema/fields.ts';

const conditions = ['connect-failure', 'refused-stream', 'reset', 'gateway-error', '5xx', 'timeout', 'cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'] as const;
const methods = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH'] as const;

/** XBackendTrafficPolicy (GEP-3388) bounds a budget's interval alike. */
const budgetInterval = {
  rule: "!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('1h'))",
  message: 'interval must be between 1s and 1h',
  fieldPath: '.interval',
};

/** The fields of a RetryPolicy's stanza: the source of the type, of the CRD and of the reference page. */
export const retryFields = Type.Object(
  {
    maxRetries: integer('Retries in addition to the first attempt. `0` means that nothing is retried.', 0, 100),
    retryOn: Type.Optional(
      Type.Object(
        {
          codes: setOf('Response codes that are retried. An empty list: none.', Type.Integer({ minimum: 400, maximum: 599 }), 64),
          conditions: setOf(
            'Failures that are retried: `connect-failure` (no connection to the endpoint), `refused-stream` (the endpoint took the connection and refused the request unread), `reset` (the connection broke before a response), `gateway-error` (502, 503, 504), `5xx` (every response of 500 and above but 508, which says that the request goes round), `timeout` (an attempt ran out of time); and `cancelled`, `deadline-exceeded`, `internal`, `resource-exhausted`, `unavailable`: responses of gRPC that consist of that status alone, whatever the method unless `methods` is written.',
            Type.Enum(conditions, { type: 'string' }),
            conditions.length,
          ),
        },
        { minProperties: 1, description: 'What is retried.' },
      ),
    ),
    methods: setOf('Request methods that are retried. Name POST or PATCH only where a request may safely arrive twice.', Type.Enum(methods, { type: 'string' }), methods.length),
    perTryTimeout: duration('How long one attempt may take. `0s`: no limit of its own.'),
    backoff: Type.Optional(
      Type.Object(
        {
          base: duration('The wait before the first retry is drawn from 0 up to this; the bound doubles with each retry.'),
          max: duration('The bound stops growing here.'),
        },
        { minProperties: 1, description: 'The waits between attempts: exponential, with full jitter.' },
      ),
    ),
    respectRetryAfter: Type.Optional(Type.Boolean({ description: 'Wait as long as a response\'s `Retry-After` asks, where the request timeout leaves room; do not retry where it does not.' })),
    maxBufferedBodyBytes: integer('How many bytes of a request body are kept for a replay. A request whose body is longer is not retried.', 0, 16_777_216),
    budget: Type.Optional(
      Type.Object(
        {
          percent: integer('Retries allowed as a share of the requests of the interval.', 0, 100),
          interval: duration('The time over which requests are counted, 1s to 1h.'),
          minPerSecond: integer('The budget is never less than so many retries for each second of the interval, however small the share is.', 0, 1_000_000),
        },
        {
          minProperties: 1,
          description: 'Keeps retries from multiplying an outage. One budget per Service port, shared by all routes that lead there.',
          'x-kubernetes-validations': [budgetInterval],
        },
      ),
    ),
  },
  { minProperties: 1 },
);

/** What the data plane uses where nobody set a field, as soon as any retry field is set. For the reference page only. */
export const retryDefaults: Readonly<Record<string, string>> = {
  maxRetries: '1',
  'retryOn.codes': 'none',
  'retryOn.conditions': '`[connect-failure, refused-stream]`; with `gateway-error` where `retryOn.codes` is unset too and `maxRetries` does not come from the route itself; with `timeout` where `perTryTimeout` is set or `maxRetries` comes from there',
  methods: '`[GET, HEAD, OPTIONS, TRACE, PUT, DELETE]`',
  perTryTimeout: 'none',
  'backoff.base': '`25ms`',
  'backoff.max': '10 × base',
  respectRetryAfter: '`true`',
  maxBufferedBodyBytes: '65536',
  'budget.percent': '20',
  'budget.interval': '`10s`',
  'budget.minPerSecond': '10',
};
