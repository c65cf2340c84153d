import { commandTable } from './alpaconCommands.ts'
import { certificateDetail } from './certificateDetail.ts'
import { attributeSchema, attributes, requestAttribute } from './clientAttributes.ts'
import { cancel, finalize, issue, issueRequested } from './clientIssue.ts'
import { rekey, renew, revoke } from './clientLife.ts'
import { endEntities, legacyCertificates } from './endEntities.ts'
import { fastpkiIssue, fastpkiNames, fastpkiSignCsr } from './fastpkiIssue.ts'
import { fastpkiKeep } from './fastpkiKeep.ts'
import type { FeatureTopic } from './feature.ts'
import { certificateAudit, certificateDownloads, certificateRevocation } from './managedCertificates.ts'
import { certificateInventory, certificateOrders } from './managedOrders.ts'
import { notaryCertificates, notaryRequests } from './notaryRequests.ts'
import { approvingRevocations, approvingSigns, retryAndCancel } from './requestActions.ts'
import { requestCreation, requestLists, requestStatuses } from './requestLists.ts'

interface FeatureDocument {
  name: string
  from: string
  topics: readonly FeatureTopic[]
}

export const documents: readonly FeatureDocument[] = [
  {
    name: 'Document 000: requests',
    from: 'Alpacon’s Private SSL: requests to sign and to revoke, which an administrator approves; a web page and the command line `alpacon`. Both are here: the page is the [console](operate/console.md), and `alpacon` itself talks to [/alpacon](protocols/alpacon.md), where its calls are tested by a client of ours. REST and our own command line do the same.',
    topics: [
      requestLists,
      requestCreation,
      approvingSigns,
      approvingRevocations,
      requestStatuses,
      retryAndCancel,
      commandTable,
    ],
  },
  {
    name: 'Document 001: certificate requests',
    from: 'Canonical Notary: the certificate requests of its API. [Notary](protocols/notary.md) says how they are here, and what differs. Every operation of the document also runs by curl against the real server, in test/interop, where openssl checks the certificate and its revocation.',
    topics: [notaryRequests, notaryCertificates],
  },
  {
    name: 'Document 002: client operations',
    from: 'CZERTAINLY (now ILM): twelve client operations of v2, and the operations of v1 on end entities and certificates. [REST](protocols/rest.md) says how they are here. The document has no headings: "where" is the operation, and the part of it.',
    topics: [
      issue,
      issueRequested,
      finalize,
      renew,
      rekey,
      revoke,
      cancel,
      attributes,
      requestAttribute,
      attributeSchema,
      certificateDetail,
      endEntities,
      legacyCertificates,
    ],
  },
  {
    name: 'Document 003: provisioned certificates',
    from: 'Alpacon’s certificate lifecycle: orders, inventory, detail, downloads, revocation and audit events of a web page. Here it is the [console](operate/console.md).',
    topics: [certificateOrders, certificateInventory, certificateDownloads, certificateRevocation, certificateAudit],
  },
  {
    name: 'Document 004: certificates',
    from: 'FastPKI: how certificates are issued, signed, listed, viewed and revoked over its REST API. [FastPKI](protocols/fastpki.md) says how it is here, and what differs. Every command of the document also runs against the real server, in test/interop.',
    topics: [fastpkiIssue, fastpkiNames, fastpkiSignCsr, fastpkiKeep],
  },
]
