import type { HttpAnswer } from '../../src/http/answer.ts'
import { encodeCsrAttributes } from '../../src/pki/csrAttributes.ts'
import type { Exchange } from './exchange.ts'
import { base64Answer } from './transfer.ts'

/** What a request must be like that this profile admits: RFC 8951 section 4, RFC 9908. For everybody, and 204 where there is nothing to say. */
export async function csrAttributes({ door, incoming, profile, options }: Exchange): Promise<HttpAnswer> {
  const { form, key } = options.csrattrs
  const wishes = door.csrWishes(profile, {
    bound: options.channelBinding === 'required',
    ...(key === undefined ? {} : { key }),
  })
  const der = form === 'none' ? undefined : encodeCsrAttributes(wishes, form)
  return der ? base64Answer(incoming, 'application/csrattrs', der) : { status: 204, headers: {}, body: '' }
}
