export { glimpse } from './glimpse.ts';
export { RequestHead, type RequestBlock, type TargetForm } from './request.ts';
export { ResponseHead, type ResponseBlock } from './response.ts';
export { Fields, framing, invalid, needMore, type FieldBlock, type Framing, type HeadLimits } from './fields.ts';
export { field, identifyField } from './names.ts';
export { FieldLines, isNamed, lookup, stride, treatment, valueOf, type Lines } from './lines.ts';
export { ChunkedReader, brokenChunk } from './chunked.ts';
export { OutputBuffer } from './output.ts';
export { bytesOf, CR, HTAB, isFieldName, isFieldValue, LF, SP, targetByte, targetClass, tokenByte, valueByte } from './tables.ts';
