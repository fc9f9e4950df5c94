// Logs in with wrong passwords by jujulib, and then with the right one; prints what it was told each time, as JSON.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node guess.cjs ADDRESS USER COUNT PASSWORD
'use strict';

const { connectAndLogin } = require('@canonical/jujulib');
const wsclass = require('websocket').w3cwebsocket;

async function main(address, username, count, password) {
  const told = [];
  for (let number = 0; number <= Number(count); number += 1) {
    const guess = number < Number(count) ? `guess ${number}` : password;
    const options = { closeCallback: () => {}, debug: false, facades: [], wsclass };
    try {
      (await connectAndLogin(`wss://${address}/api`, options, { username, password: guess })).logout();
      told.push('logged in');
    } catch (error) {
      told.push(error.message);
    }
  }
  console.log(JSON.stringify(told));
  process.exit(0);
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
