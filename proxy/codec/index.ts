export { RequestHead, type RequestBlock, type TargetForm } from './request.ts';
export { ResponseHead, type ResponseBlock } from './response.ts';
export { Fields, framing, invalid, needMore, treatment, type FieldBlock, type Framing, type HeadLimits } from './fields.ts';
export { field } from './names.ts';
export { ChunkedReader, brokenChunk } from './chunked.ts';
export { OutputBuffer } from './output.ts';
export { bytesOf, isFieldName, isFieldValue } from './tables.ts';
