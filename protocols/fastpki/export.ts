import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { findAuthority } from './authorityView.ts'
import { keyStays } from './cas.ts'
import { type Call, operation, type Reply } from './operation.ts'
import { privateKeyOf } from './privateKey.ts'
import { findIssued } from './record.ts'
import { slugOf } from './slug.ts'
import { commonNameOf } from './subjectName.ts'

const tag = 'export'

/** PEM files. */
export const exportOperations = [
  operation({
    method: 'get',
    path: '/export/ca/{id}/certificate',
    tag,
    summary: 'The certificate of an authority.',
    async run(call) {
      const { certificate, name } = await findAuthority(call, call.params.id)
      return file(`${slugOf(name)}.crt`, pemEncode('CERTIFICATE', certificate.der))
    },
  }),
  operation({
    method: 'get',
    path: '/export/ca/{id}/private-key',
    tag,
    summary: 'Always refused: the key of an authority does not leave.',
    async run(call) {
      await findAuthority(call, call.params.id)
      throw keyStays()
    },
  }),
  operation({
    method: 'get',
    path: '/export/certificate/{id}',
    tag,
    summary: 'A certificate.',
    async run(call) {
      const { name, der } = await issued(call)
      return file(`${name}.crt`, pemEncode('CERTIFICATE', der))
    },
  }),
  operation({
    method: 'get',
    path: '/export/certificate/{id}/private-key',
    tag,
    summary: 'The private key of a certificate, as of /certificates/{id}/private-key.',
    async run(call) {
      const { name, record } = await issued(call)
      return file(`${name}.key`, await privateKeyOf(call, record))
    },
  }),
  operation({
    method: 'get',
    path: '/export/certificate/{id}/chain',
    tag,
    summary: 'A certificate, then those above it.',
    async run(call) {
      const { name, der, record } = await issued(call)
      const chain = [der, ...(await call.door.chain(record.certificate))]
      return file(`${name}-chain.pem`, chain.map((one) => pemEncode('CERTIFICATE', one)).join(''))
    },
  }),
]

async function issued(call: Call<'id'>) {
  const record = await findIssued(call, call.params.id)
  const { der } = record.certificate
  return { record, der, name: slugOf(commonNameOf(readCertificate(der).subject) ?? 'certificate') }
}

function file(name: string, content: string): Reply {
  return {
    raw: { type: 'application/x-pem-file', content },
    headers: { 'Content-Disposition': `attachment; filename="${name}"` },
  }
}
