import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { authorityBody, makeAuthority } from './authorityDraft.ts'
import { crlOf, namedAuthority, ownAuthorities, signingAuthority, viewAuthority } from './authorityState.ts'
import { fields, idText, pemText } from './input.ts'
import { openOperation, operation } from './operation.ts'
import { deleteAuthority } from './requestRow.ts'

const ALL = '/api/v1/certificate_authorities'
const ONE = `${ALL}/:id`

export const authorityOperations = [
  operation({
    method: 'get',
    path: ALL,
    roles: [0, 1, 3],
    async run(call) {
      const all = await ownAuthorities(call)
      return { data: await Promise.all(all.map((authority) => viewAuthority(call.door, authority))) }
    },
  }),
  operation({
    method: 'post',
    path: ALL,
    roles: [0, 1],
    body: authorityBody,
    status: 201,
    run: async (call) => ({ id: (await makeAuthority(call)).id }),
  }),
  operation({
    method: 'get',
    path: ONE,
    roles: [0, 1, 3],
    run: async (call) => ({ data: await viewAuthority(call.door, await namedAuthority(call, call.id)) }),
  }),
  operation({
    method: 'put',
    path: ONE,
    roles: [0, 1],
    body: fields({ enabled: z.boolean('enabled is true or false') }),
    async run(call) {
      const { enabled } = call.body
      const { name, subject, kind } = await namedAuthority(call, call.id)
      if (enabled && kind === 'local' && subject === null)
        throw new Failure('unsupported', `the certificate authority ${name} has no certificate yet`)
      await call.door.admin.changeAuthority(name, { enabled })
      return {}
    },
  }),
  operation({
    method: 'delete',
    path: ONE,
    roles: [0, 1],
    async run(call) {
      const { id, name } = await namedAuthority(call, call.id)
      await call.door.admin.changeAuthority(name, { enabled: false })
      await deleteAuthority(call.host.db, id, call.host.clock())
      return {}
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/certificate`,
    roles: [0, 1],
    body: fields({ certificate_chain: pemText('certificate_chain') }),
    status: 201,
    conflict: 400,
    async run(call) {
      const { id, name } = await namedAuthority(call, call.id)
      await call.door.admin.certifyAuthority(name, { pem: call.body.certificate_chain })
      return { id }
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/sign`,
    roles: [0, 1],
    body: fields({ certificate_authority_id: idText('certificate_authority_id') }),
    status: 202,
    async run(call) {
      const { name } = await namedAuthority(call, call.id)
      const parent = await signingAuthority(call, call.body.certificate_authority_id)
      await call.door.admin.certifyAuthority(name, { parent: parent.name })
      return {}
    },
  }),
  operation({
    method: 'post',
    path: `${ONE}/revoke`,
    roles: [0, 1],
    status: 202,
    async run(call) {
      const { name, fingerprint } = await namedAuthority(call, call.id)
      const certificate = fingerprint === null ? undefined : await call.door.findCertificate({ fingerprint })
      if (!certificate)
        throw new Failure(
          'unsupported',
          `the certificate of ${name} was not signed by a certificate authority here, so that none can revoke it: disable it`,
        )
      const { status, reason } = await call.door.revoke({
        protocol: 'notary',
        certificate: certificate.id,
        grounds: 'user',
      })
      if (status === 'denied') throw new Failure('forbidden', reason ?? 'the revocation was denied')
      return { note: status === 'revoked' ? 'success' : 'success: it is asked for, and waits for an approval' }
    },
  }),
  openOperation({
    method: 'get',
    path: `${ONE}/crl`,
    run: async ({ door, id }) => ({ data: { crl: await crlOf(door, id) } }),
  }),
]
