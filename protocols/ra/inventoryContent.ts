import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { caCertificateView } from './caCertificate.ts'
import { detailOf } from './certificateDetail.ts'
import { certificateDetail } from './certificateSchema.ts'
import { flag } from './fields.ts'
import { ALL, TAG } from './inventoryList.ts'
import { operation } from './operation.ts'

const ONE = `${ALL}/{uuid}` as const
const format = z.enum(['raw', 'pkcs7'])
const encoding = z.enum(['pem', 'der'])
const withEndCertificate = flag.default(false)
const downloaded = z.object({ format, encoding, content: z.base64() })

/** A word of the path: one that is none is another resource, which is not there. */
function formatOf(given: string): z.output<typeof format> {
  const read = format.safeParse(given)
  if (!read.success) throw new Failure('notFound', 'a certificate is downloaded as raw or pkcs7')
  return read.data
}

export const inventoryContentOperations = [
  operation({
    method: 'get',
    path: `${ONE}/{certificateFormat}`,
    tag: TAG,
    summary: 'Downloads a certificate: raw or pkcs7, in the encoding asked for, as base64 of that.',
    query: z.object({ encoding: encoding.default('pem') }),
    answer: downloaded,
    async run({ door, params, query }) {
      const format = formatOf(params.certificateFormat)
      const { encoding } = query
      const content = await door.inventory.download(params.uuid, { format, encoding, chain: 'none' })
      return { body: { format, encoding, content: content.toString('base64') } }
    },
  }),
  operation({
    method: 'get',
    path: `${ONE}/chain`,
    tag: TAG,
    summary: 'The certificates above, nearest first, with the certificate itself before them where asked.',
    query: z.object({ withEndCertificate }),
    answer: z.object({ completeChain: z.boolean(), certificates: z.array(certificateDetail) }),
    async run(call) {
      const { door, params, query } = call
      const { complete, issuers } = await door.inventory.chain(params.uuid)
      const lines = await door.inventory.lines(issuers.flatMap(({ item }) => (item === undefined ? [] : [item])))
      const uuidOf = new Map(lines.map(({ record }) => [record.request.id, record.request.uuid]))
      const above = issuers.map(({ der, item }) => {
        const uuid = item === undefined ? undefined : uuidOf.get(item)
        return uuid === undefined ? caCertificateView(der) : detailOf(call, uuid)
      })
      const own = query.withEndCertificate ? [detailOf(call, params.uuid)] : []
      return { body: { completeChain: complete, certificates: await Promise.all([...own, ...above]) } }
    },
  }),
  operation({
    method: 'get',
    path: `${ONE}/chain/{certificateFormat}`,
    tag: TAG,
    summary: 'Downloads the chain; several certificates go as PEM, or as pkcs7.',
    query: z.object({ encoding: encoding.default('pem'), withEndCertificate }),
    answer: downloaded.extend({ completeChain: z.boolean() }),
    async run({ door, params, query }) {
      const format = formatOf(params.certificateFormat)
      const { encoding, withEndCertificate } = query
      const chain = withEndCertificate ? 'whole' : 'above'
      const content = await door.inventory.download(params.uuid, { format, encoding, chain })
      const { complete } = await door.inventory.chain(params.uuid)
      return { body: { completeChain: complete, format, encoding, content: content.toString('base64') } }
    },
  }),
]
