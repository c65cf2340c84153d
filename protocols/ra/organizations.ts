import { z } from 'zod'
import { name, when } from './fields.ts'
import { operation } from './operation.ts'

const tag = 'Organizations'
const organization = z.object({ name: z.string(), uuid: z.string(), createdAt: when })

/** Tenants, which see nothing of each other. */
export const organizationOperations = [
  operation({
    method: 'get',
    path: '/v1/countersign/organizations',
    tag,
    summary: 'The caller’s own; all for a superuser.',
    answer: z.array(organization),
    run: async ({ door }) => ({ body: await door.admin.organizations() }),
  }),
  operation({
    method: 'post',
    path: '/v1/countersign/organizations',
    tag,
    summary: 'Makes an organization. Needs a superuser.',
    body: z.strictObject({ name }),
    status: 201,
    answer: organization,
    run: async ({ door, body }) => ({ body: await door.admin.createOrganization(body.name) }),
  }),
]
