/**
 * A self-signed certificate for 127.0.0.1 and api.test, valid until 2126, and its key. It proves
 * nothing to anybody: tests serve with it, and tell the client to trust it.
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBtTCCAVugAwIBAgIUcj29vmrsgOJjUJQSLiZWSyKub3gwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRY3NpLWZhaWxvdmVyLXRlc3QwIBcNMjYxMTIyMTM0ODI2WhgP
MjEyNjEwMjkxMzQ4MjZaMBwxGjAYBgNVBAMMEWNzaS1mYWlsb3Zlci10ZXN0MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2EQKMPDWUqgnOIWvhZv39jrUewnmrYqF
0INGDrp/Q8wIbqE0bC0hJEgwu/6zmGUlXRHVEbxm06T0DBVMxT57xKN5MHcwHQYD
VR0OBBYEFJl1b7xkZrUgAvVehTuut6vYlHjHMB8GA1UdIwQYMBaAFJl1b7xkZrUg
AvVehTuut6vYlHjHMA8GA1UdEwEB/wQFMAMBAf8wJAYDVR0RBB0wG4cEfwAAAYIJ
bG9jYWxob3N0gghhcGkudGVzdDAKBggqhkjOPQQDAgNIADBFAiBztkm9EAl7JQch
r9e4zh4valtydAO2AmxZKKhbukNtywIhAOFUtUxpPbpMInnk3dRdLu/IiEt5x2qu
sYjBSATu2vIr
-----END CERTIFICATE-----
`;

export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqNQ3+txJL4ypBNEz
9yliU8yIIgQtdrJFoYpx9cHvEDuhRANCAATYRAow8NZSqCc4ha+Fm/f2OtR7Ceat
ioXQg0YOun9DzAhuoTRsLSEkSDC7/rOYZSVdEdURvGbTpPQMFUzFPnvE
-----END PRIVATE KEY-----
`;
