// Azurite's blob service. It takes tokens of Entra's issuers alone; AZURITE_ISSUER is one more.
const { VALID_ISSUE_PREFIXES } = require("azurite/dist/src/common/utils/constants");
if (process.env.AZURITE_ISSUER) VALID_ISSUE_PREFIXES.push(process.env.AZURITE_ISSUER);
require("azurite/dist/src/blob/main");
