import type { Admin } from './admin.ts'
import { type AdminContext, actorOf, requireSuperuser } from './adminActor.ts'
import { forgetRemembered, viewRemembered } from './approval/rememberedAdmin.ts'
import { closeAlert, openAlerts } from './audit/alertAdmin.ts'
import { verifyAudit } from './audit/verify.ts'
import { changeAuthority, importedAuthority, manualAuthority, newAuthority } from './authority/authorityChange.ts'
import { authorityDrafts } from './authority/authorityDraft.ts'
import { listAuthorities, showAuthority } from './authority/authorityView.ts'
import { addChain, listChains, removeChain } from './authority/chainAdmin.ts'
import { rolloverAdmin } from './authority/rolloverAdmin.ts'
import { challengeAdmin } from './enrolment/challengeAdmin.ts'
import { endCredential, newCredential, viewCredentials } from './enrolment/credentialAdmin.ts'
import { overrideLimit, removeOverride, resetLimit, viewLimits } from './enrolment/limitAdmin.ts'
import { newOrganization, viewOrganizations } from './identity/organizationAdmin.ts'
import { viewUsers } from './identity/userView.ts'
import type { Installation } from './installation.ts'
import { importCertificate } from './inventory/importedCertificate.ts'
import { listRenewalWindows, removeRenewalWindow, setRenewalWindow } from './issuance/renewalAdmin.ts'
import { blockKey, unblockKey, viewBlockedKeys } from './key/blockedKeyAdmin.ts'
import { exportPfx, exportServerKey, newPfxPassword } from './key/serverKeyExport.ts'
import { addToRole, grant, removeFromRole, ungrant } from './login/grantAdmin.ts'
import { endToken, newToken, viewTokens } from './login/tokenAdmin.ts'
import { changedUser, newUser, setupLink } from './login/userAdmin.ts'
import { viewLifetimes } from './ocsp/lifetimeView.ts'
import { uploadResponder } from './ocsp/uploadedResponder.ts'
import { listProfiles, replaceProfile, showProfile } from './profile/profileAdmin.ts'
import type { Requester } from './requester.ts'
import { importCrl } from './revocation/importedCrl.ts'
import { uploadCrl } from './revocation/uploadedCrl.ts'
import { upstreamAdmin } from './upstream/upstreamAdmin.ts'

/**
 * What a requester may administer; each function authorises for itself. `checkProtocols` holds the options of a profile
 * against the adapters' schemas and throws Failure('malformed').
 */
export function createAdmin(
  it: Installation,
  requester: Requester,
  checkProtocols: (protocols: Record<string, unknown>) => void,
): Admin {
  const context: AdminContext = { it, requester }
  return {
    authorities: () => listAuthorities(context),
    authority: (name) => showAuthority(context, name),
    createAuthority: (draft, claim) => newAuthority(context, draft, claim),
    importAuthority: (draft) => importedAuthority(context, draft),
    revocationLifetimes: () => viewLifetimes(context),
    uploadCrl: (authority, file) => uploadCrl(context, authority, file),
    uploadResponder: (authority, draft) => uploadResponder(context, authority, draft),
    importCrl: (authority, draft) => importCrl(context, authority, draft),
    importCertificate: (authority, der) => importCertificate(context, authority, der),
    addManualAuthority: (draft) => manualAuthority(context, draft),
    changeAuthority: (name, change) => changeAuthority(context, name, change),
    chains: (authority) => listChains(context, authority),
    addChain: (authority, pem) => addChain(context, authority, pem),
    removeChain: (authority, chain) => removeChain(context, authority, chain),
    renewalWindows: () => listRenewalWindows(context),
    setRenewalWindow: (draft) => setRenewalWindow(context, draft),
    removeRenewalWindow: (id) => removeRenewalWindow(context, id),
    profiles: () => listProfiles(context),
    profile: (name) => showProfile(context, name),
    saveProfile: (draft) => replaceProfile({ ...context, checkProtocols }, draft),
    users: () => viewUsers(context),
    createUser: (draft) => newUser(context, draft),
    changeUser: (name, change) => changedUser(context, name, change),
    createSetupLink: (user) => setupLink(context, user),
    addToRole: (user, role) => addToRole(context, user, role),
    removeFromRole: (user, role) => removeFromRole(context, user, role),
    grant: (draft) => grant(context, draft),
    ungrant: (draft) => ungrant(context, draft),
    createToken: (draft) => newToken(context, draft),
    tokens: (user) => viewTokens(context, user),
    revokeToken: (uuid) => endToken(context, uuid),
    createCredential: (draft) => newCredential(context, draft),
    credentials: (filter = {}) => viewCredentials(context, filter),
    revokeCredential: (uuid) => endCredential(context, uuid),
    exportKey: (certificate) => exportServerKey(context, certificate),
    exportPfx: (certificate, password) => exportPfx(context, certificate, password),
    newPfxPassword,
    ...authorityDrafts(context),
    ...challengeAdmin(context),
    ...rolloverAdmin(context),
    ...upstreamAdmin(context),
    limits: (filter = {}) => viewLimits(context, filter),
    overrideLimit: (draft) => overrideLimit(context, draft),
    removeOverride: (ref) => removeOverride(context, ref),
    resetLimit: (ref) => resetLimit(context, ref),
    rememberedApprovals: () => viewRemembered(context),
    forgetApproval: (id) => forgetRemembered(context, id),
    blockedKeys: () => viewBlockedKeys(context),
    blockKey: (draft) => blockKey(context, draft),
    unblockKey: (spkiSha256) => unblockKey(context, spkiSha256),
    organizations: () => viewOrganizations(context),
    createOrganization: (name) => newOrganization(context, name),
    alerts: () => openAlerts(context),
    closeAlert: (id) => closeAlert(context, id),
    verifyAudit: async (earlier) => {
      requireSuperuser(await actorOf(it.db, requester))
      return verifyAudit(it.db, it.auditSecret, earlier)
    },
  }
}
