import { Failure } from '../../src/core/failure.ts'
import { withTables } from '../../src/db/tables.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Host } from '../../src/protocol.ts'
import type { Reply } from './operation.ts'
import { slugOf } from './slug.ts'
import type { FastpkiTables } from './tables.ts'

/** A CRL or the certificate of an authority, for everybody: `acme-issuing-ca-7`, DER, or PEM with its ending. Throws Failure('notFound'). */
export async function publicFile(host: Host, kind: 'crl' | 'ca', file: string): Promise<Reply> {
  const [, slug = '', ending = ''] = /^([a-z0-9-]{1,80})(\.pem|\.crt)?$/.exec(file) ?? []
  const id = Number(/-([1-9][0-9]{0,14})$/.exec(slug)?.[1] ?? 0)
  const known = kind === 'crl' ? ending !== '.crt' : ending !== ''
  if (id === 0 || !known) throw none()
  const door = host.core.as({ kind: 'key-holder', ref: '', name: 'anybody', people: [] })
  const { active } = await door.authorityChain(id)
  if (!active || !(await isNamed(host, { id, issuer: active.id }, slug))) throw none()
  const { der, label, type } =
    kind === 'crl'
      ? { der: (await door.crl({ authority: id })).der, label: 'X509 CRL', type: 'application/pkix-crl' }
      : { der: active.certificate.der, label: 'CERTIFICATE', type: 'application/pkix-cert' }
  if (ending === '.pem') return { raw: { type: 'application/x-pem-file', content: pemEncode(label, der) } }
  return { raw: { type, content: der } }
}

/** A name in a URL says which authority is meant: one that is not its own is nobody's. */
async function isNamed(host: Host, { id, issuer }: { id: number; issuer: number }, slug: string): Promise<boolean> {
  const row = await withTables<FastpkiTables>(host.db)
    .selectFrom('fastpki_authorities')
    .select('name')
    .where('authority_id', '=', id)
    .executeTakeFirst()
  if (row) return slug === `${slugOf(row.name)}-${id}`
  const name = slug.slice(0, -`-${id}`.length)
  const door = host.core.as({ kind: 'key-holder', ref: '', name: 'anybody', people: [] })
  return (await door.authorityChain(name)).active?.id === issuer
}

function none(): Failure {
  return new Failure('notFound', 'Not Found')
}
