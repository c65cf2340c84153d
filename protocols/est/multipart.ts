import type { IncomingMessage } from 'node:http'
import type { HttpAnswer } from '../../src/http/answer.ts'
import { base64Text } from './transfer.ts'

/** Base64 has no hyphen: no part can hold the delimiter. */
const BOUNDARY = 'estServerKeyGeneration'

/** One value in base64. Clients compare the type octet by octet. */
export interface Part {
  type: string
  der: Buffer
}

/** multipart/mixed (RFC 2046 section 5.1) without preamble, each part with the headers of RFC 7030 section 4.4.2 and no other; sent in one piece. */
export function multipartAnswer(incoming: IncomingMessage, parts: readonly Part[]): HttpAnswer {
  const bodies = parts.map(
    ({ type, der }) =>
      `--${BOUNDARY}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64Text(incoming, der)}\r\n`,
  )
  return {
    status: 200,
    headers: { 'Content-Type': `multipart/mixed; boundary=${BOUNDARY}`, 'Cache-Control': 'no-store' },
    body: `${bodies.join('')}--${BOUNDARY}--\r\n`,
  }
}
