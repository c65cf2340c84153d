import type { Row, Rows, Sample } from '../row.ts'
import type { Scene } from '../scene.ts'

type Resource = 'signRequests' | 'revokeRequests'

const waiting = {
  signRequests: ({ order, asks }: Scene) => order(asks),
  revokeRequests: async ({ revocation }: Scene) => (await revocation()).uuid,
} as const

/** On what waits for `approver`, with this body and the hash that a vote names. */
const onWaiting =
  (resource: Resource, body?: object): NonNullable<Row['sample']> =>
  async (scene) => {
    const uuid = await waiting[resource](scene)
    return { params: { uuid }, ...(body ? { body } : {}) }
  }

const onVote =
  (resource: Resource): NonNullable<Row['sample']> =>
  async (scene) => {
    const uuid = await waiting[resource](scene)
    const { review } = await scene.call('get', `/v1/countersign/${resource}/${uuid}`)
    return { params: { uuid }, body: { hash: review.hash, reason: 'no need' } }
  }

const reason = { reason: 'no need' }

/** An order, or a revocation, that its authority answers elsewhere. */
async function underWay(scene: Scene, resource: Resource): Promise<Sample> {
  const { manual, order, call } = scene
  const certificate = await order(manual)
  if (resource === 'signRequests') return { params: { uuid: certificate } }
  const path = `${manual.path}/certificates/${certificate}`
  await call('post', `${path}/issue/finalize`, { certificate: await scene.signedElsewhere() })
  await call('post', `${path}/revoke`, {}, scene.callers.asker)
  const { requests } = await call('get', '/v1/countersign/revokeRequests?limit=1')
  return { params: { uuid: requests[0].uuid } }
}

function requestRows(resource: Resource): Rows {
  const path = `/v1/countersign/${resource}` as const
  return {
    [`GET ${path}`]: {
      needs: 'sees',
      list: true,
      sample: async (scene) => ({ shows: await waiting[resource](scene) }),
    },
    [`POST ${path}/search`]: {
      needs: 'sees',
      list: true,
      reads: true,
      sample: async (scene) => ({ shows: await waiting[resource](scene) }),
    },
    [`GET ${path}/{uuid}`]: { needs: 'sees', record: true, sample: onWaiting(resource) },
    [`POST ${path}/{uuid}/approve`]: { needs: 'voter', sample: onVote(resource) },
    [`POST ${path}/{uuid}/deny`]: { needs: 'voter', sample: onVote(resource) },
    [`POST ${path}/{uuid}/cancel`]: { needs: 'own', sample: onWaiting(resource) },
    [`POST ${path}/{uuid}/retry`]: { needs: 'own', sample: (scene) => underWay(scene, resource) },
    [`POST ${path}/{uuid}/markFailed`]: {
      needs: 'manage',
      ofProfile: true,
      sample: async (scene) => ({ ...(await underWay(scene, resource)), body: reason }),
    },
    [`POST ${path}/{uuid}/comments`]: { needs: 'sees', sample: onWaiting(resource, { text: 'for Monday' }) },
  }
}

/** What waits for `approver`, as the contract names it. */
async function approval(scene: Scene): Promise<{ certificate: string; uuid: string }> {
  const certificate = await scene.order(scene.asks)
  const { approvals } = await scene.call('get', `/v1/certificates/${certificate}/approvals`)
  return { certificate, uuid: approvals[0].approvalUuid }
}

const onApproval: NonNullable<Row['sample']> = async (scene) => ({
  params: { uuid: (await approval(scene)).uuid },
  body: { comment: 'no need' },
})

export const decisionRows: Rows = {
  ...requestRows('signRequests'),
  ...requestRows('revokeRequests'),
  'PATCH /v1/countersign/signRequests/{uuid}': {
    needs: 'own',
    async sample(scene) {
      const uuid = await waiting.signRequests(scene)
      const notAfter = new Date(scene.app.world.time.now.getTime() + 10 * 86_400_000).toISOString()
      return { params: { uuid }, body: { revision: 1, notAfter } }
    },
  },
  'GET /v1/countersign/signRequests/{uuid}/history': {
    needs: 'sees',
    record: true,
    sample: onWaiting('signRequests'),
  },
  'POST /v1/countersign/raProfiles/{name}/simulate': {
    needs: 'sees',
    reads: true,
    sample: ({ csr }) => ({ params: { name: 'inner-open' }, body: { request: csr.der.toString('base64') } }),
  },
  'GET /v1/approvals': {
    needs: 'sees',
    list: true,
    sample: async (scene) => ({ shows: (await approval(scene)).uuid }),
  },
  'GET /v1/approvals/user': {
    needs: 'voter',
    list: true,
    sample: async (scene) => ({ shows: (await approval(scene)).uuid }),
  },
  'GET /v1/approvals/{uuid}': {
    needs: 'sees',
    record: true,
    sample: async (scene) => ({ params: { uuid: (await approval(scene)).uuid } }),
  },
  'PATCH /v1/approvals/{uuid}/approve': { needs: 'override', record: true, but: { asker: '422' }, sample: onApproval },
  'PATCH /v1/approvals/{uuid}/reject': { needs: 'override', record: true, but: { asker: '422' }, sample: onApproval },
  'PATCH /v1/approvals/{uuid}/approveRecipient': {
    needs: 'voter',
    hidden: true,
    but: { asker: '422' },
    sample: onApproval,
  },
  'PATCH /v1/approvals/{uuid}/rejectRecipient': {
    needs: 'voter',
    hidden: true,
    but: { asker: '422' },
    sample: onApproval,
  },
  'GET /v1/certificates/{uuid}/approvals': {
    needs: 'sees',
    record: true,
    async sample(scene) {
      const { certificate, uuid } = await approval(scene)
      return { params: { uuid: certificate }, shows: uuid }
    },
  },
}
