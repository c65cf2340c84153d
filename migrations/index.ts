import { core } from './0001-core.ts'
import { acme } from './0002-acme.ts'
import { acmeChecks } from './0003-acme-checks.ts'
import { credentials } from './0004-credentials.ts'
import { acmeRenewal } from './0005-acme-renewal.ts'
import { limits } from './0006-limits.ts'
import { revocation } from './0007-revocation.ts'
import { crlParts } from './0008-crl-parts.ts'
import { acmeRetention } from './0009-acme-retention.ts'
import { challenges } from './0010-challenges.ts'
import { messageKeys } from './0011-message-keys.ts'
import { scep } from './0012-scep.ts'
import { indirectCrls } from './0013-indirect-crls.ts'
import { rollover } from './0014-rollover.ts'
import { scepRetention } from './0015-scep-retention.ts'
import { serverKeys } from './0017-server-keys.ts'
import { approvals } from './0018-approvals.ts'
import { identities } from './0019-identities.ts'
import { search } from './0020-search.ts'
import { webhooks } from './0021-webhooks.ts'
import { keyPairs } from './0022-key-pairs.ts'
import { inventory } from './0023-inventory.ts'
import { ra } from './0024-ra.ts'
import { upstream } from './0025-upstream.ts'
import { parked } from './0026-parked.ts'
import { notary } from './0027-notary.ts'
import { fastpki } from './0028-fastpki.ts'
import { discovery } from './0030-discovery.ts'
import { console } from './0031-console.ts'
import { tokenDescent } from './0032-token-descent.ts'
import { cmp } from './0033-cmp.ts'
import { moreAttributes } from './0034-more-attributes.ts'
import { notaryAskers } from './0035-notary-askers.ts'
import { keySecrets } from './0036-key-secrets.ts'
import { reliability } from './0040-reliability.ts'
import { endEntityApproval } from './0041-end-entity-approval.ts'
import { cmpRejection } from './0042-cmp-rejection.ts'
import type { Migration } from './columns.ts'

/** All migrations, by name; they run in the order of their names. */
export const migrations: Record<string, Migration> = {
  '0001-core': core,
  '0002-acme': acme,
  '0003-acme-checks': acmeChecks,
  '0004-credentials': credentials,
  '0005-acme-renewal': acmeRenewal,
  '0006-limits': limits,
  '0007-revocation': revocation,
  '0008-crl-parts': crlParts,
  '0009-acme-retention': acmeRetention,
  '0010-challenges': challenges,
  '0011-message-keys': messageKeys,
  '0012-scep': scep,
  '0013-indirect-crls': indirectCrls,
  '0014-rollover': rollover,
  '0015-scep-retention': scepRetention,
  '0017-server-keys': serverKeys,
  '0018-approvals': approvals,
  '0019-identities': identities,
  '0020-search': search,
  '0021-webhooks': webhooks,
  '0022-key-pairs': keyPairs,
  '0023-inventory': inventory,
  '0024-ra': ra,
  '0025-upstream': upstream,
  '0026-parked': parked,
  '0027-notary': notary,
  '0028-fastpki': fastpki,
  '0030-discovery': discovery,
  '0031-console': console,
  '0032-token-descent': tokenDescent,
  '0033-cmp': cmp,
  '0034-more-attributes': moreAttributes,
  '0035-notary-askers': notaryAskers,
  '0036-key-secrets': keySecrets,
  '0040-reliability': reliability,
  '0041-end-entity-approval': endEntityApproval,
  '0042-cmp-rejection': cmpRejection,
}
