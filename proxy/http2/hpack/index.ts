export { HeaderDecoder } from './decoder.ts';
export { HeaderEncoder, type FieldList, type Selection } from './encoder.ts';
