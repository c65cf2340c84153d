import { writeFileSync } from 'node:fs'
import { authorizationPage, PAGE } from './page.ts'

writeFileSync(PAGE, authorizationPage())
