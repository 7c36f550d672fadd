export { HeaderDecoder } from './decoder.ts';
export { HeaderEncoder, literalName, type FieldList, type Selection } from './encoder.ts';
