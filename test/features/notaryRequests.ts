import { built, type FeatureTopic } from './feature.ts'

const created = 'notary-requests: are created, shown and listed as Outstanding, in all three envelopes'
const order =
  'notary-requests: are an order of the core that waits for a person, told by the contract that it came over'
const own = 'notary-requests: a requestor sees his own only, and is told so of others’'
const statuses = 'status-notary: a request that is $status is $cell.status'
const roles = 'notary-matrix: %s %s: the roles %s, and nobody without a token'
const others = 'notary-matrix: %s %s: of another organization there is nothing'
const rejected = 'notary-requests: rejected, by a vote where the rules ask the caller, else by withdrawing it'
const deleted = 'notary-requests: deleted: withdrawn, and there no more'
const signed = 'notary-signing: makes it Active, with the chain of the authority'
const choice = 'notary-signing: by an authority of choice: the order goes to its profile, with the same number'
const revoked = 'notary-signing: are revoked: Revoked, and the serial number is in the CRL of the authority'
const uploaded = 'notary-signing: makes it Active; it is in the inventory as uploaded, and the order is withdrawn'
const dropped = 'notary-signing: are deleted: the request is Outstanding, and is signed again'

/** Document 001: reading and making requests. */
export const notaryRequests: FeatureTopic = {
  title: 'Certificate requests',
  features: [
    built(
      'List',
      'Returns the list of certificate requests',
      'The newest 1000 of the organization; a requestor’s own.',
      created,
      own,
    ),
    built(
      'List',
      'GET `/api/v1/certificate_requests`, without parameters',
      'Below `/notary`, as all of them.',
      created,
      roles,
    ),
    built(
      'List',
      'The answer: `result`, a list of requests with `id`, `csr`, `certificate_chain` and `status`',
      'And `email`, who asked; the same as `data` for newer clients.',
      created,
      'notary-matrix: lists of another organization are empty',
    ),
    built(
      'Create',
      'Creates a new certificate request',
      'As an order over an RA profile, which waits for whom its rules name.',
      created,
      order,
    ),
    built(
      'Create',
      'POST `/api/v1/certificate_requests`',
      'By administrators, managers and requestors; 201.',
      created,
      roles,
    ),
    built(
      'Create',
      'Parameter `csr`, text: the CSR in PEM',
      'One that cannot be read, or is recorded already, is refused in the contract’s words.',
      created,
      'notary-requests: refuses %s for a CSR',
      'notary-requests: refuses a CSR whose signature is wrong',
      'notary-requests: refuses a CSR that is recorded already, until that one is deleted',
    ),
    built('Create', 'The answer: `message`, which is success, and `id`', 'The id of the order.', created, order),
    built('Get', 'Returns the details of one request', 'Of the own organization.', created, others),
    built(
      'Get',
      'GET `/api/v1/certificate_requests/{id}`, without parameters',
      'Of others a requestor learns nothing.',
      created,
      own,
      roles,
    ),
    built('Get', 'The answer: the request as in the list', 'The very same.', created, statuses),
    built(
      'Get',
      '`csr`: the PEM that came',
      'As it came, but for a challenge password.',
      created,
      'notary-requests: a challenge password in a CSR is a secret: nobody is shown it, and the rest of the order works',
    ),
    built(
      'Get',
      '`certificate_chain`: empty while there is none',
      'Else the chain, the leaf first.',
      created,
      signed,
      statuses,
    ),
    built(
      'Get',
      '`status`: Outstanding at first',
      'Then Active, Rejected or Revoked, derived from the order each time.',
      created,
      statuses,
      'notary-requests: what policy refuses is Rejected, with the reason',
    ),
    built('Delete', 'Deletes a certificate request', 'What waits is withdrawn; records stay.', deleted),
    built(
      'Delete',
      'DELETE `/api/v1/certificate_requests/{id}`, without parameters',
      'By administrators and managers; 202.',
      deleted,
      roles,
      others,
    ),
    built('Delete', 'The answer: `message`, which is success', 'So.', deleted),
    built(
      'Reject',
      'Rejects a certificate request',
      'A vote, or, of one whom no rule names and who may manage, a withdrawal.',
      rejected,
    ),
    built(
      'Reject',
      'A request that never had a certificate; revoking is another thing',
      'Only what is Outstanding; anything else is 422.',
      rejected,
      'notary-signing: are not revoked before they are there',
    ),
    built(
      'Reject',
      'POST `/api/v1/certificate_requests/{id}/reject`, without parameters',
      'By administrators and managers; 202.',
      rejected,
      roles,
      others,
    ),
    built('Reject', 'The answer: `message`, which is success', 'So.', rejected),
  ],
}

/** Document 001: what makes and ends certificates. */
export const notaryCertificates: FeatureTopic = {
  title: 'Certificates of requests',
  features: [
    built(
      'Create a certificate',
      'Creates a certificate for a request',
      'From a chain that was signed elsewhere; by nobody of ours it is uploaded, and on no CRL of ours.',
      uploaded,
    ),
    built(
      'Create a certificate',
      'POST `/api/v1/certificate_requests/{id}/certificate`',
      'By administrators and managers; 201.',
      uploaded,
      roles,
      others,
    ),
    built(
      'Create a certificate',
      'Parameter `certificate`, text: the chain in PEM',
      'Two certificates or more, in order, for the key and the names of the CSR.',
      uploaded,
      'notary-signing: refuses %s',
      'notary-signing: over one that is there is refused',
    ),
    built(
      'Create a certificate',
      'The answer: `message`, which is success, and `id`',
      'The id of the request.',
      uploaded,
    ),
    built(
      'Revoke',
      'Revokes a certificate',
      'As the rules of its profile say; while that waits it is Active.',
      revoked,
      'notary-signing: stay Active while their revocation waits',
    ),
    built(
      'Revoke',
      'Only of a request that was signed in Notary',
      'Anything else is 422.',
      'notary-signing: is not revoked here',
      'notary-signing: are not revoked before they are there',
    ),
    built(
      'Revoke',
      'The serial number is placed in the CRL of the issuing CA',
      'In the same moment; OCSP says so too.',
      revoked,
    ),
    built(
      'Revoke',
      'POST `/api/v1/certificate_requests/{id}/certificate/revoke`, without parameters',
      'By administrators and managers; 202.',
      revoked,
      roles,
      others,
    ),
    built(
      'Revoke',
      'The answer: `message`, which is success',
      'So; where it waits, the newer `message` says that.',
      revoked,
      'notary-signing: stay Active while their revocation waits',
    ),
    built(
      'Sign',
      'Signs any request with a certificate authority',
      'The caller’s approval of the order; who asked himself has none.',
      signed,
      'notary-signing: by who made it himself is refused, with what to do',
      'notary-signing: counts as one of two approvals where the rules ask for two',
    ),
    built(
      'Sign',
      'With an active root or intermediate',
      'Which has an RA profile that serves Notary, as all have that were made over Notary.',
      choice,
      'notary-authorities: are signed by another one, once',
      'notary-authorities: are disabled and enabled; a disabled one signs nothing',
      'notary-authorities: with a request to sign wait for their certificate',
      'notary-signing: by an authority without a profile that serves Notary says what to do',
    ),
    built(
      'Sign',
      'POST `/api/v1/certificate_requests/{id}/sign`',
      'By administrators and managers; 202.',
      signed,
      roles,
      others,
    ),
    built(
      'Sign',
      'Parameter `certificate_authority_id`, text: which authority',
      'A number is taken too.',
      'notary-signing: takes the number as a number too, and says that ACME is not configured',
      'notary-signing: by an authority that %s is refused',
    ),
    built('Sign', 'The answer: `message`, which is success', 'So.', signed),
    built(
      'Delete a certificate',
      'Deletes the certificate of a request',
      'The request is Outstanding again; what was issued here stays in the inventory.',
      dropped,
      'notary-signing: is deleted: Outstanding again, out of the inventory, and another may come',
    ),
    built(
      'Delete a certificate',
      'DELETE `/api/v1/certificate_requests/{id}/certificate`, without parameters',
      'By administrators and managers; 200, and 400 where there is none.',
      dropped,
      roles,
      others,
    ),
    built(
      'Delete a certificate',
      'The answer: `message`, which is success',
      'So.',
      'notary-signing: is deleted: Outstanding again, out of the inventory, and another may come',
    ),
  ],
}
