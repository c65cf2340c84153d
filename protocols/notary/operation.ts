import type { IncomingMessage } from 'node:http'
import type { ZodType, z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Host } from '../../src/protocol.ts'
import type { Caller } from './authenticate.ts'
import type { Role } from './role.ts'

/** One request, read and checked. */
export interface Call<Body = unknown> {
  host: Host
  door: Door
  incoming: IncomingMessage
  caller: Caller
  /** Of the path; 0 where it names none. */
  id: number
  body: Body
}

/** What is open to all has nobody who calls. */
export type OpenCall<Body = unknown> = Omit<Call<Body>, 'caller'>

/** `data`: what was asked for. Without it, that it was done, with the id of what was made and, where it matters, a sentence about it. */
export interface Reply {
  data?: unknown
  id?: number
  note?: string
  headers?: Record<string, string>
  /** In place of all else: what is no JSON. */
  raw?: { type: string; content: string }
}

interface Common {
  method: 'get' | 'post' | 'put' | 'delete'
  /** Below /notary, with `:id` where a number is. */
  path: string
  body?: ZodType
  /** 200 when absent. */
  status?: 200 | 201 | 202
  /** What the contract answers to a record in the wrong state; 422 when absent. */
  conflict?: 400 | 422
}

export type Operation = Common &
  (
    | { roles: readonly Role[]; run(call: Call): Promise<Reply | undefined> }
    | { roles: 'public'; run(call: OpenCall): Promise<Reply | undefined> }
  )

interface Typed<B extends ZodType> extends Omit<Common, 'body'> {
  body?: B
  roles: readonly Role[]
  run(call: Call<z.output<B>>): Promise<Reply | undefined>
}

interface OpenTyped<B extends ZodType> extends Omit<Common, 'body'> {
  body?: B
  run(call: OpenCall<z.output<B>>): Promise<Reply | undefined>
}

/** Gives an operation the type of its body. */
export function operation<B extends ZodType>(given: Typed<B>): Operation {
  return given as unknown as Operation
}

/** As `operation`, for what is open to all. */
export function openOperation<B extends ZodType>(given: OpenTyped<B>): Operation {
  return { ...given, roles: 'public' } as unknown as Operation
}
