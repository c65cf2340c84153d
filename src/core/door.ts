import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { admitNames } from './admitNames.ts'
import { alternateChains } from './alternateChain.ts'
import { auditAccount } from './audit.ts'
import { createAuthentication } from './authentication.ts'
import { loadIssuer } from './authority.ts'
import { readChain } from './authorityChain.ts'
import { type Certificate, findCertificate } from './certificate.ts'
import { askChallenge, isChallenge, redeemChallenge, tellElsewhere } from './challengeAsk.ts'
import type { Core, Door } from './core.ts'
import { admitCredential, findCredential, redeemCredential } from './credential.ts'
import { currentCrl } from './crl.ts'
import { csrWishes } from './csrAttributes.ts'
import { type CheckProtocols, type Opened, Parts } from './doorParts.ts'
import { Failure } from './failure.ts'
import { foresee } from './foresee.ts'
import { unhold } from './hold.ts'
import type { Installation } from './installation.ts'
import { wouldKeepNames } from './keptNames.ts'
import { askRevocation, maySee, maySign, mayUpload } from './mayAsk.ts'
import { thrownBack } from './measure.ts'
import { messageKeys } from './messageKey.ts'
import { nextCa } from './nextCa.ts'
import { type AnswerOcsp, createOcsp } from './ocsp.ts'
import { overview } from './overview.ts'
import { park } from './park.ts'
import type { RaProfile } from './profile.ts'
import { loadProfile } from './profiles.ts'
import { findByOrigin, readSignRequest } from './records.ts'
import { readRegistration } from './registrationRead.ts'
import { rememberForNextOrder } from './remember.ts'
import { findByCertId, renewalWindow } from './renewal.ts'
import { requestedNames } from './requestedNames.ts'
import type { Requester } from './requester.ts'
import { revise } from './revise.ts'
import { linkCertificates } from './rollover.ts'
import { servingProfile } from './servingProfile.ts'
import { sign } from './sign.ts'
import { signIn } from './signIn.ts'
import { simulate, simulateRevocation } from './simulate.ts'
import { submit } from './submit.ts'
import { successor } from './successor.ts'
import type { CoreTables } from './tables.ts'
import { upload } from './upload.ts'
import { findKeyAuthorization } from './upstreamProof.ts'
import { variantOf } from './variant.ts'

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
