import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { rememberForNextOrder } from './approval/remember.ts'
import { auditAccount } from './audit/audit.ts'
import { alternateChains } from './authority/alternateChain.ts'
import { loadIssuer } from './authority/authority.ts'
import { readChain } from './authority/authorityChain.ts'
import { linkCertificates } from './authority/rollover.ts'
import { type Certificate, findCertificate } from './certificate.ts'
import type { Core, Door } from './core.ts'
import { currentCrl } from './crl/crl.ts'
import { type CheckProtocols, type Opened, Parts } from './doorParts.ts'
import { askChallenge, isChallenge, redeemChallenge, tellElsewhere } from './enrolment/challengeAsk.ts'
import { admitCredential, findCredential, redeemCredential } from './enrolment/credential.ts'
import { servingProfile } from './enrolment/servingProfile.ts'
import { Failure } from './failure.ts'
import type { Installation } from './installation.ts'
import { admitNames } from './issuance/admitNames.ts'
import { foresee } from './issuance/foresee.ts'
import { askRevocation, maySee, maySign, mayUpload } from './issuance/mayAsk.ts'
import { park } from './issuance/park.ts'
import { readRegistration } from './issuance/registrationRead.ts'
import { findByCertId, renewalWindow } from './issuance/renewal.ts'
import { requestedNames } from './issuance/requestedNames.ts'
import { revise } from './issuance/revise.ts'
import { sign } from './issuance/sign.ts'
import { simulate, simulateRevocation } from './issuance/simulate.ts'
import { submit } from './issuance/submit.ts'
import { successor } from './issuance/successor.ts'
import { upload } from './issuance/upload.ts'
import { messageKeys } from './key/messageKey.ts'
import { nextCa } from './key/nextCa.ts'
import { overview } from './listing/overview.ts'
import { createAuthentication } from './login/authentication.ts'
import { signIn } from './login/signIn.ts'
import { thrownBack } from './measure.ts'
import { type AnswerOcsp, createOcsp } from './ocsp/ocsp.ts'
import { csrWishes } from './profile/csrAttributes.ts'
import { wouldKeepNames } from './profile/keptNames.ts'
import type { RaProfile } from './profile/profile.ts'
import { loadProfile } from './profile/profiles.ts'
import { variantOf } from './profile/variant.ts'
import { findByOrigin, readSignRequest } from './request/records.ts'
import type { Requester } from './requester.ts'
import { unhold } from './revocation/hold.ts'
import type { CoreTables } from './tables.ts'
import { findKeyAuthorization } from './upstream/upstreamProof.ts'

/** The core, ready to be asked. */
export function createCore(it: Installation, checkProtocols: CheckProtocols): Core {
  const ocsp = createOcsp(it)
  return {
    as: (requester) => new OpenDoor({ it, requester, checkProtocols }, ocsp),
    authentication: createAuthentication(it),
  }
}

class OpenDoor extends Parts implements Door {
  /** Private at run time too: whoever writes a door down shows nothing of the installation. */
  readonly #on: Opened
  readonly profile: Door['profile'] = (name, protocol) => profileFor(this.#on.it, this.#on.requester, name, protocol)
  readonly serving: Door['serving'] = (ref, protocol) =>
    servingProfile(this.#on.it.db, this.#on.requester, ref, protocol)
  readonly variant: Door['variant'] = variantOf
  readonly sign: Door['sign'] = async (draft, claim) => {
    await maySign(this.#on.it, this.#on.requester, draft.profile)
    return sign(this.#on.it, this.#on.requester, draft, claim).catch((error: unknown) =>
      thrownBack(this.#on.it.db, { protocol: draft.protocol, profileId: draft.profile.id, what: draft.action }, error),
    )
  }
  readonly foresee: Door['foresee'] = async (draft) => {
    await maySign(this.#on.it, this.#on.requester, draft.profile)
    return foresee(this.#on.it, this.#on.requester, draft)
  }
  readonly revoke: Door['revoke'] = (draft, claim) => askRevocation(this.#on.it, this.#on.requester, draft, claim)
  readonly overview: Door['overview'] = () => overview(this.#on)
  readonly park: Door['park'] = async (draft, claim) => {
    await maySign(this.#on.it, this.#on.requester, draft.profile)
    return park(this.#on.it, this.#on.requester, draft, claim)
  }
  readonly submit: Door['submit'] = (ref, change = {}, claim) =>
    submit(this.#on.it, this.#on.requester, { ref, change, claim })
  readonly revise: Door['revise'] = (ref, change) => revise(this.#on.it, this.#on.requester, ref, change)
  readonly registration: Door['registration'] = (ref) => readRegistration(this.#on.it, this.#on.requester, ref)
  readonly successor: Door['successor'] = (certificate, how, csr) =>
    successor(this.#on.it, this.#on.requester, { certificate, how, csr })
  readonly unhold: Door['unhold'] = (draft) => unhold(this.#on.it, this.#on.requester, draft)
  readonly simulate: Door['simulate'] = (draft, asker) => simulate(this.#on.it, this.#on.requester, draft, asker)
  readonly simulateRevocation: Door['simulateRevocation'] = (draft, asker) =>
    simulateRevocation(this.#on.it, this.#on.requester, draft, asker)
  readonly findSignRequest: Door['findSignRequest'] = async (origin) => {
    const request = (await findByOrigin(this.#on.it.db, origin))?.request
    return request && (await maySee(this.#on.it, this.#on.requester, request)) ? request : undefined
  }
  readonly findCertificate: Door['findCertificate'] = async (ref) => {
    const certificate = await findCertificate(this.#on.it.db, ref)
    return certificate && (await maySee(this.#on.it, this.#on.requester, certificate)) ? certificate : undefined
  }
  readonly requestedNames: Door['requestedNames'] = requestedNames
  readonly keepsNames: Door['keepsNames'] = wouldKeepNames
  readonly chain: Door['chain'] = (certificate) => chainOf(this.#on.it, certificate)
  readonly alternateChains: Door['alternateChains'] = async ({ authorityId, authorityCertificateId }) =>
    authorityCertificateId === undefined ? [] : alternateChains(this.#on.it, { authorityId, authorityCertificateId })
  readonly findByCertId: Door['findByCertId'] = async (id) => {
    const certificate = await findByCertId(this.#on.it, id)
    return certificate && (await maySee(this.#on.it, this.#on.requester, certificate)) ? certificate : undefined
  }
  readonly renewalWindow: Door['renewalWindow'] = (certificate) => renewalWindow(this.#on.it.db, certificate)
  readonly messageKeys: Door['messageKeys'] = (profile, source) => messageKeys(this.#on.it, profile, source)
  readonly nextCa: Door['nextCa'] = (profile, source) => nextCa(this.#on.it, profile, source)
  readonly authorityChain: Door['authorityChain'] = (authority) => readChain(this.#on.it, authority)
  readonly linkCertificates: Door['linkCertificates'] = (root) => linkCertificates(this.#on.it, root)
  readonly upload: Door['upload'] = async (ref, chain, attributes) => {
    await mayUpload(this.#on.it, this.#on.requester, ref)
    return upload(this.#on.it, this.#on.requester, ref, { chain, attributes })
  }
  readonly keyAuthorization: Door['keyAuthorization'] = (token) => findKeyAuthorization(this.#on.it.db, token)
  readonly crl: Door['crl'] = (ref) => currentCrl(this.#on.it, ref)
  readonly answered: Door['answered'] = (ref) => markAnswered(this.#on.it, ref)
  readonly admitNames: Door['admitNames'] = (profile, identifiers, period = {}) =>
    admitNames(this.#on.it, profile, identifiers, period)
  readonly credential: Door['credential'] = (profile, kind, name) => findCredential(this.#on.it, profile, kind, name)
  readonly redeemCredential: Door['redeemCredential'] = (db, id) =>
    redeemCredential(db, { actor: this.#on.requester, at: this.#on.it.clock() }, id)
  readonly admitCredential: Door['admitCredential'] = (db, id, identifiers, until) =>
    admitCredential(db, id, identifiers, until)
  readonly challenge: Door['challenge'] = (profile, given, asked, elsewhere) =>
    askChallenge(this.#on.it, this.#on.requester, { profile, given, asked, elsewhere })
  readonly tellElsewhere: Door['tellElsewhere'] = (profile, tell) => tellElsewhere(this.#on.it, profile, tell)
  readonly isChallenge: Door['isChallenge'] = (profile, given) => isChallenge(this.#on.it, profile, given)
  readonly signIn: Door['signIn'] = (shown, place) => signIn(this.#on.it, shown, place)
  readonly redeemChallenge: Door['redeemChallenge'] = (db, grant) =>
    redeemChallenge(db, { actor: this.#on.requester, at: this.#on.it.clock() }, grant)
  readonly record: Door['record'] = (db, event) => auditAccount(db, this.#on.requester, this.#on.it.clock(), event)
  readonly csrWishes: Door['csrWishes'] = csrWishes
  readonly ocsp: Door['ocsp']

  constructor(on: Opened, ocsp: AnswerOcsp) {
    super(on)
    this.#on = on
    this.ocsp = ocsp
  }
}

async function profileFor(it: Installation, requester: Requester, name: string, protocol: string): Promise<RaProfile> {
  const profile = await loadProfile(it.db, name)
  const serves = !profile.builtin && profile.enabled && Object.hasOwn(profile.protocols, protocol)
  if (!serves || !(await maySee(it, requester, { ...profile, profileId: profile.id }))) {
    throw new Failure('notFound', 'there is no such profile')
  }
  return profile
}

/** The issuers above a certificate, nearest first, as DER. */
async function chainOf(it: Installation, certificate: Certificate): Promise<Buffer[]> {
  if (certificate.authorityCertificateId === undefined) return []
  const issuer = await loadIssuer(it, certificate.authorityCertificateId)
  return [issuer.certificate.der, ...issuer.chain]
}

async function markAnswered(it: Installation, ref: number | string): Promise<void> {
  await transaction(it.db, async (db) => {
    const marked = await withTables<CoreTables>(db)
      .updateTable('sign_requests')
      .set({ answered: 1 })
      .where(typeof ref === 'number' ? 'id' : 'uuid', '=', ref)
      .where('answered', '=', 0)
      .returning('id')
      .executeTakeFirst()
    if (marked) await rememberForNextOrder(db, await readSignRequest(db, marked.id), it.clock())
  })
}
