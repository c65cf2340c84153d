import type { Authority } from '../core/authority/authority.ts'
import type { Registration, Upstream, UpstreamAccount } from '../core/authority/upstreamCa.ts'
import { Failure } from '../core/failure.ts'
import { PkiError } from '../pki/error.ts'
import { pemDecode } from '../pki/pem.ts'
import type { Directory } from './acmeDirectory.ts'
import type { AcmeReach } from './acmeHttp.ts'
import { bindAccount, jwkOf, thumbprint } from './acmeJws.ts'
import { readAuthorization, readOrder } from './acmeOrder.ts'
import { isProblem } from './acmeProblem.ts'
import { openSession, type Session } from './acmeSession.ts'

/** An authority whose certificates another CA signs, over RFC 8555, once they are approved here. */
export function acmeAuthority(account: UpstreamAccount | undefined, reach?: AcmeReach): Authority {
  return account ? { upstream: upstreamOf(account, reach) } : {}
}

function upstreamOf({ directory, caPem, key, url: account }: UpstreamAccount, reach?: AcmeReach): Upstream {
  const ca = { ...(caPem === undefined ? {} : { caPem }), ...(reach ? { reach } : {}) }
  const session = openSession({ directory, key, ...ca, ...(account === undefined ? {} : { account }) })
  const jwk = jwkOf(key)
  const at = async (url: string, what: string) => {
    const listed = await session.directory()
    return { listed, url: listed.link(url, what) }
  }
  const orderAt = async (where: string, payload?: unknown, shown = where) => {
    const { listed, url } = await at(where, 'order')
    return readOrder(await session.post(url, payload), new URL(shown), listed)
  }
  return {
    async directory() {
      const { termsOfService, externalAccountRequired, revokeCert } = await session.freshDirectory()
      const terms = termsOfService === undefined ? {} : { termsOfService }
      return { ...terms, externalAccountRequired, revokes: revokeCert !== undefined }
    },
    async register(registration) {
      const listed = await session.directory()
      const { headers } = await session.post(listed.newAccount, newAccount(registration, listed))
      return listed.link(headers.location, 'account').href
    },
    async isKnown() {
      const { newAccount } = await session.directory()
      try {
        await openSession({ directory, key, ...ca }).post(newAccount, { onlyReturnExisting: true })
        return true
      } catch (error) {
        if (isProblem(error, 'accountDoesNotExist')) return false
        throw error
      }
    },
    async newOrder(identifiers) {
      const listed = await session.directory()
      const answer = await session.post(listed.newOrder, {
        identifiers: identifiers.map(({ type, value }) => ({ type, value })),
      })
      return readOrder(answer, listed.link(answer.headers.location, 'order'), listed)
    },
    order: (url) => orderAt(url),
    async authorization(where) {
      const { listed, url } = await at(where, 'authorization')
      return readAuthorization(await session.post(url), url, listed)
    },
    keyAuthorization: (token) => `${token}.${thumbprint(jwk)}`,
    async answerChallenge(where) {
      await session.post((await at(where, 'challenge')).url, {})
    },
    finalize: (order, csr) => orderAt(order.finalize, { csr: csr.toString('base64url') }, order.url),
    async download(where) {
      const { body } = await session.post((await at(where, 'certificate')).url)
      return readChain(body)
    },
    async deactivate(where) {
      await session.post((await at(where, 'authorization')).url, { status: 'deactivated' })
    },
    revoke: (certificate, reason) => revoke(session, certificate, reason),
  }

  function newAccount({ contact, agreeTerms, externalAccount }: Registration, { newAccount }: Directory) {
    return {
      ...(contact.length === 0 ? {} : { contact }),
      ...(agreeTerms ? { termsOfServiceAgreed: true } : {}),
      ...(externalAccount ? { externalAccountBinding: bindAccount(jwk, externalAccount, newAccount.href) } : {}),
    }
  }
}

async function revoke(session: Session, certificate: Buffer, reason: number | undefined): Promise<void> {
  const { revokeCert } = await session.directory()
  if (!revokeCert) throw new Failure('unsupported', 'the upstream CA does not revoke over ACME: ask it in its own way')
  await session.post(revokeCert, {
    certificate: certificate.toString('base64url'),
    ...(reason === undefined ? {} : { reason }),
  })
}

/** application/pem-certificate-chain (RFC 8555 section 9.1). */
function readChain(body: Buffer): Buffer[] {
  try {
    const blocks = pemDecode(body.toString('latin1'))
    const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE').map(({ der }) => der)
    if (certificates.length > 0) return certificates
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause
  }
  throw new Failure('unavailable', 'the upstream CA answers with something that is no chain of certificates')
}
