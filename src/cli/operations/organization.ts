import { z } from 'zod'
import { operation } from '../operation.ts'
import { name } from './fields.ts'

export const list = operation({
  name: 'organization.ls',
  input: z.strictObject({}),
  run: ({ door }) => door.admin.organizations(),
})

export const create = operation({
  name: 'organization.create',
  input: z.strictObject({ name }),
  run: ({ door }, { name }) => door.admin.createOrganization(name),
})
